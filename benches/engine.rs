//! Append, the rollup job, and the usage queries by both routes. Equal answers are asserted before
//! a query is timed. A day has 100,000 rows. `TALLYBOOK_BENCH_DAYS` is the number of days, 30 by
//! default.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, and tells what it measures"
)]

use std::{hint::black_box, path::Path, sync::Arc};

use arrow::array::RecordBatch;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tallybook::{
    AppendOptions, Day, FixedClock, Input, NamedQuery, Query, RollupOptions, Route, SampleLog,
    Settings, Stats, Tallybook,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// About 100,000 rows a day.
const LOG: SampleLog = SampleLog { seed: 1, organizations: 2_000, rows_per_hour: 4_650 };

fn first_day() -> Day {
    "2026-01-05".parse().unwrap()
}

fn lines_of(day: Day) -> String {
    (0..24).map(|hour| LOG.hour(day, hour)).collect()
}

async fn db(root: &Path) -> Tallybook {
    let clock = Arc::new(FixedClock::noon_of("2026-12-31".parse().unwrap()));
    let location = root.to_str().unwrap();
    Tallybook::builder(location).settings(Settings::default()).clock(clock).create().await.unwrap()
}

async fn append(db: &Tallybook, lines: String) -> u64 {
    let input = Input::bytes("calls.ndjson", lines);
    db.append(vec![input], AppendOptions::default()).await.unwrap().rows
}

async fn ask(db: &Tallybook, query: &Query) -> (Vec<RecordBatch>, Stats) {
    db.query(query).await.unwrap().collect().await.unwrap()
}

fn append_a_day(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let lines = lines_of(first_day());
    let mut group = c.benchmark_group("append");
    group.sample_size(10).throughput(Throughput::Elements(lines.lines().count() as u64));
    group.bench_function("ndjson_day", |b| {
        b.iter_batched(
            || {
                let root = TempDir::new().unwrap();
                let db = runtime.block_on(db(root.path()));
                (root, db, lines.clone())
            },
            |(root, db, lines)| {
                let rows = runtime.block_on(append(&db, lines));
                (root, black_box(rows))
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn rollup_a_day(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let root = TempDir::new().unwrap();
    let db = runtime.block_on(db(root.path()));
    let rows = runtime.block_on(append(&db, lines_of(first_day())));
    let mut group = c.benchmark_group("rollup");
    group.sample_size(10).throughput(Throughput::Elements(rows));
    group.bench_function("three_rollups_of_a_day", |b| {
        b.iter_batched(
            || drop(std::fs::remove_dir_all(root.path().join("rollups"))),
            |()| {
                let mut built = 0;
                let done = runtime.block_on(db.rollup(&RollupOptions::default(), |_| built += 1));
                done.unwrap().into_result().unwrap();
                assert_eq!(built, 3);
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn usage_questions(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let days = std::env::var("TALLYBOOK_BENCH_DAYS").map_or(30, |days| days.parse().unwrap());
    let root = TempDir::new().unwrap();
    let db = runtime.block_on(db(root.path()));
    let mut rows = 0;
    for offset in 0..days {
        rows += runtime.block_on(append(&db, lines_of(first_day().plus(offset))));
    }
    runtime.block_on(db.rollup(&RollupOptions::default(), |_| {})).unwrap().into_result().unwrap();
    eprintln!("usage queries over {days} days, {rows} rows");
    let last = first_day().plus(days - 1);
    for (name, query, by, organization) in [
        ("org_total", "usage_total", None, Some("org-0042")),
        ("org_by_day", "usage_by", Some("day"), Some("org-0042")),
        ("platform_by_day", "usage_by", Some("day"), None),
        ("platform_by_model", "usage_by", Some("model"), None),
        ("platform_top_organizations", "usage_top", Some("organization"), None),
    ] {
        let text = |value: &str| Some(value.to_owned());
        let mut params = vec![
            ("organization".to_owned(), organization.map(str::to_owned)),
            ("from".to_owned(), text(&first_day().to_string())),
            ("to".to_owned(), text(&last.to_string())),
        ];
        params.extend(by.map(|by| ("by".to_owned(), text(by))));
        params.extend((query == "usage_top").then(|| ("top".to_owned(), text("10"))));
        let query =
            |route| NamedQuery::find(query).unwrap().query(db.dataset(), &params, route).unwrap();
        let (rolled, stats) = runtime.block_on(ask(&db, &query(Route::Auto)));
        let (raw, raw_stats) = runtime.block_on(ask(&db, &query(Route::Raw)));
        assert_eq!(rolled, raw, "{name}: the routes differ");
        eprintln!(
            "{name}: {} rows in {} files from rollups, {} in {} raw",
            stats.rows_scanned, stats.files, raw_stats.rows_scanned, raw_stats.files
        );
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        for route in [Route::Auto, Route::Raw] {
            let query = query(route);
            group.bench_function(route.to_string(), |b| {
                b.iter(|| black_box(runtime.block_on(ask(&db, &query))));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, append_a_day, rollup_a_day, usage_questions);
criterion_main!(benches);
