//! Answers queries in one process, for `compare.py`. The input is a line of JSON,
//! `{"clients":1,"sql":[…]}`. The output is a line of JSON: the milliseconds that all queries took,
//! and for each query its milliseconds, its statistics, and its rows as CSV.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, and prints what it measures"
)]

use std::{io, sync::Arc, time::Instant};

use arrow::{array::RecordBatch, csv::Writer};
use futures::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tallybook::{Stats, Tallybook};

/// The same allocator as the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn csv(batches: &[RecordBatch]) -> String {
    let mut text = Vec::new();
    for batch in batches {
        Writer::new(&mut text).write(batch).unwrap();
    }
    String::from_utf8(text).unwrap()
}

#[tokio::main]
async fn main() {
    let Ok(root) = std::env::var("TALLYBOOK_PEERS_ROOT") else {
        eprintln!("benches/peers/compare.py runs this over a root of its own");
        return;
    };
    let db = Arc::new(Tallybook::open(&root).await.unwrap());
    for line in io::stdin().lines() {
        let queries: Queries = serde_json::from_str(&line.unwrap()).unwrap();
        println!("{}", answer(&db, queries).await);
    }
}

#[derive(Deserialize)]
struct Queries {
    clients: usize,
    sql: Vec<String>,
}

/// Answers all queries. At each time, as many queries run as there are clients.
async fn answer(db: &Arc<Tallybook>, queries: Queries) -> Value {
    let start = Instant::now();
    let asked = queries.sql.into_iter().map(|sql| {
        let db = Arc::clone(db);
        async move { tokio::spawn(async move { ask(&db, &sql).await }).await.unwrap() }
    });
    let answers: Vec<_> = stream::iter(asked).buffered(queries.clients).collect().await;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let (mut each, mut stats, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (ms, of_one, batches) in answers {
        each.push(ms);
        stats.push(of_one);
        rows.push(csv(&batches));
    }
    json!({"ms": ms, "each_ms": each, "stats": stats, "csv": rows})
}

async fn ask(db: &Tallybook, sql: &str) -> (f64, Stats, Vec<RecordBatch>) {
    let start = Instant::now();
    let (rows, stats) = db.sql(sql).await.unwrap().collect().await.unwrap();
    (start.elapsed().as_secs_f64() * 1e3, stats, rows)
}
