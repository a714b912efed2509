//! Many writers at once: one writer wins each name, the other writers find the file there, and all
//! rows count once.
//!
//! `TALLYBOOK_RACES` is the number of rounds.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures::future::join_all;
use tallybook::{
    AppendOptions, BatchId, CompactOptions, Input, Outcome, RollupOptions, Route, Settings,
    Tallybook,
};

use crate::support::{SMALL_LOG, azurite, csv, db_with, fake_store::FakeStore, many::number, moto};

const WRITERS: usize = 20;
/// The number of batches of each round. Two writers append some of them at once.
const BATCHES: usize = 15;
const DAYS: [&str; 2] = ["2026-01-03", "2026-01-04"];

/// Counts over all rounds.
#[derive(Default)]
struct Done {
    leaves: AtomicUsize,
    compactions: AtomicUsize,
    overtaken: AtomicUsize,
}

async fn write(db: &Tallybook, batch: &str, done: &Done) {
    let line = |day| format!("{{\"at\":\"{day}T05:00:00Z\",\"who\":\"{batch}\",\"v\":1}}\n");
    let lines: String = DAYS.into_iter().map(line).collect();
    let options =
        AppendOptions { batch: Some(BatchId::try_new(batch).unwrap()), ..Default::default() };
    let report = db.append(vec![Input::bytes("x.ndjson", lines)], options).await.unwrap();
    assert_eq!(report.leaves, DAYS.len());
    done.leaves.fetch_add(report.leaves_new, Relaxed);
}

async fn roll_up(db: &Tallybook) {
    let all = RollupOptions::default();
    let built = db.rollup(&all, |report| {
        assert!(matches!(report.outcome, Outcome::Built { .. }), "{report:?}");
    });
    built.await.unwrap().into_result().unwrap();
}

async fn compact(db: &Tallybook, done: &Done) {
    let all = CompactOptions::default();
    let compacted = db.compact(&all, |report| match report.outcome {
        Outcome::Compacted { .. } => _ = done.compactions.fetch_add(1, Relaxed),
        Outcome::Overtaken => _ = done.overtaken.fetch_add(1, Relaxed),
        Outcome::Waits(_) => {}
        _ => panic!("{report:?}"),
    });
    compacted.await.unwrap().into_result().unwrap();
}

async fn race(location: &str, settings: &Settings) {
    let rounds = number("TALLYBOOK_RACES").unwrap_or(20) as usize;
    let mut dbs = Vec::new();
    for _ in 0..WRITERS {
        let db = db_with(location, SMALL_LOG, "2026-01-12", settings.clone()).await;
        dbs.push(db);
    }
    let done = &Done::default();
    for round in 0..rounds {
        let batch = |writer| format!("{round} {}", writer % BATCHES);
        let writers = dbs.iter().enumerate();
        let writers = writers.map(|(writer, db)| async move {
            let batch = batch(writer);
            write(db, &batch, done).await;
        });
        let jobs = dbs.iter().take(2).map(|db| async {
            roll_up(db).await;
            compact(db, done).await;
        });
        tokio::join!(join_all(writers), join_all(jobs));
        // Two compactions at once: one of them wins each day.
        roll_up(&dbs[0]).await;
        tokio::join!(compact(&dbs[0], done), compact(&dbs[1], done));
        let rows = (round + 1) * BATCHES * DAYS.len();
        assert_eq!(done.leaves.load(Relaxed), rows, "each leaf has one winner");
        let sql = "SELECT count(*) AS n, sum(v) AS v FROM log";
        for route in [Route::Auto, Route::Raw] {
            assert_eq!(csv(&dbs[2], sql, route).await.0, format!("n,v\n{rows},{rows}\n"));
        }
    }
    let batches =
        "SELECT count(*) AS n FROM (SELECT who FROM log GROUP BY who HAVING count(*) = 2)";
    assert_eq!(csv(&dbs[0], batches, Route::Raw).await.0, format!("n\n{}\n", rounds * BATCHES));
    assert_eq!(dbs[0].verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
    eprintln!(
        "{location}: {rounds} rounds of {WRITERS} writers: {} leaves, {} compactions, {} overtaken",
        done.leaves.load(Relaxed),
        done.compactions.load(Relaxed),
        done.overtaken.load(Relaxed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn races_on_both_dialects() {
    let store = FakeStore::start();
    store.page_by(1000);
    race("s3://bucket/races", &store.settings()).await;
    // Each manifest was created once, by the attempt that its tag names.
    let of = |end: &str| {
        let keys = store.keys().into_iter().filter(|key| key.contains("/_m/"));
        keys.filter(|key| key.rsplit('.').next() == Some(end)).count()
    };
    assert_eq!(of("json"), of("tag"), "a winner each");
    assert!(of("json") > 0);
    race("gs://bucket/races-too", &store.settings()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn races_on_a_local_disk() {
    let sandbox = crate::support::Sandbox::new();
    race(sandbox.root().to_str().unwrap(), &Settings::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn races_on_moto() {
    let Some(settings) = moto("races_on_moto") else { return };
    race(&format!("s3://bucket/races-{}", std::process::id()), &settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn races_on_azurite() {
    let Some((container, settings)) = azurite("races_on_azurite") else { return };
    race(&format!("az://{container}/races-{}", std::process::id()), &settings).await;
}
