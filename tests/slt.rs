//! The files in `tests/slt`: SQL, and the answer of another engine. Each query runs by the raw
//! route, from rollups, and with random segments missing.
//!
//! The format is a part of sqllogictest: comments, and `query <types> rowsort`. A space separates
//! values. `NULL` stands for a NULL, and `(empty)` for an empty text. Numbers have no trailing
//! zeros, and doubles are rounded to four digits after the point.

use std::{fs, path::Path};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    datatypes::{DataType, Float64Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{Query, Route, Settings, Tallybook};

use crate::{
    shapes::rich_definition,
    support::{Sandbox, append, db_with, rollup},
};

struct Record {
    place: String,
    sql: String,
    rows: Vec<String>,
}

fn records() -> Vec<Record> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut records = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "slt")) {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        for block in text.split("\n\n").map(str::trim).filter(|block| !block.starts_with('#')) {
            if block.is_empty() {
                continue;
            }
            let (head, rows) = block.split_once("\n----").unwrap();
            let (kind, sql) = head.split_once('\n').unwrap();
            assert!(kind.starts_with("query ") && kind.ends_with(" rowsort"), "{name}: {kind}");
            let rows = rows.lines().skip(1).map(str::to_owned).collect();
            let place = format!("{name}: {sql}");
            records.push(Record { place, sql: sql.to_owned(), rows });
        }
    }
    records
}

fn value(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let formatter = ArrayFormatter::try_new(column.as_ref(), &FormatOptions::default()).unwrap();
    let text = match column.data_type() {
        DataType::Float64 => format!("{:.4}", column.as_primitive::<Float64Type>().value(row)),
        _ => formatter.value(row).to_string(),
    };
    let number = column.data_type().is_numeric() && text.contains('.');
    let text = if number { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text.is_empty() { "(empty)".to_owned() } else { text.replace(' ', "_") }
}

fn rows_of(batches: &[RecordBatch]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let values: Vec<_> = batch.columns().iter().map(|column| value(column, row)).collect();
            rows.push(values.join(" "));
        }
    }
    rows.sort();
    rows
}

/// Checks every record by that route. Gives the number of answers from rollups.
async fn check(db: &Tallybook, route: Route, seed: u64) -> usize {
    let mut rewritten = 0;
    for record in records() {
        let query = Query::sql(&record.sql).by_route(route);
        let answer = db.query(&query).await;
        let answer = answer.unwrap_or_else(|error| panic!("{}\n{error}", record.place));
        let (batches, stats) = answer.collect().await.unwrap();
        let mut expected = record.rows;
        expected.sort();
        assert_eq!(rows_of(&batches), expected, "route {route}, seed {seed}\n{}", record.place);
        rewritten += usize::from(stats.rollup_days > 0);
    }
    rewritten
}

#[tokio::test]
async fn every_file_by_every_route() {
    let seed = rand::random();
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let sandbox = Sandbox::new();
    let root = sandbox.root();
    let root = root.to_str().unwrap();
    let db = db_with(root, &rich_definition(), "2026-02-01", Settings::default()).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let calls = fs::read_to_string(folder.join("calls.ndjson")).unwrap();
    let lines: Vec<_> = calls.lines().collect();
    for (at, batch) in lines.chunks(50).enumerate() {
        append(&db, &format!("{at}"), &batch.join("\n")).await;
    }
    db.register_file("plans", &folder.join("plans.csv")).await.unwrap();
    assert_eq!(check(&db, Route::Raw, seed).await, 0);
    rollup(&db).await;
    let all = check(&db, Route::Auto, seed).await;
    // All records but three of those in raw.slt.
    assert_eq!(all, records().len() - 3);
    for _ in 0..3 {
        for segment in sandbox.files("rollups") {
            if random.random_ratio(1, 4) {
                fs::remove_file(segment).unwrap();
            }
        }
        check(&db, Route::Auto, seed).await;
    }
}
