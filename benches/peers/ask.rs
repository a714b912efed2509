//! Answers questions in one process, for `compare.py`: a line of SQL in; a line of JSON out, with
//! the milliseconds that it took, its statistics, and the rows as CSV.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, and prints what it measures"
)]

use std::{io, time::Instant};

use arrow::{array::RecordBatch, csv::Writer};
use serde_json::json;
use tallybook::Tallybook;

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
    let book = Tallybook::open(&root).await.unwrap();
    for line in io::stdin().lines() {
        let start = Instant::now();
        let answer = book.sql(&line.unwrap()).await.unwrap();
        let (rows, stats) = answer.collect().await.unwrap();
        let ms = start.elapsed().as_secs_f64() * 1e3;
        println!("{}", json!({"ms": ms, "stats": stats, "csv": csv(&rows)}));
    }
}
