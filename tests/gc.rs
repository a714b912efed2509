//! `gc`: after the grace period, it deletes the segments that newer ones replaced, and nothing
//! else.

use std::{sync::Arc, time::Duration};

use tallybook::{
    DEFAULT_DEFINITION, FixedClock, GcOptions, Route, SampleLog, Settings, Superseded, Tallybook,
};

use crate::support::{
    Sandbox, append, append_days, both, csv, day, db_at,
    fake_store::FakeStore,
    life::AT_ONCE,
    rollup,
    small::{Small, flip},
};

const LOG: SampleLog = SampleLog { seed: 4, organizations: 5, rows_per_hour: 4 };
const COUNT: &str = "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log";

/// Rolls up ten days, adds a late leaf to two of them, and rolls up one of the two again.
async fn repaired(db: &Tallybook) {
    append_days(db, &LOG, "2026-01-01", 10, &[7]).await;
    assert_eq!(rollup(db).await, 10 * crate::support::ROLLUPS);
    append(db, "late", &LOG.hour(day("2026-01-05"), 9)).await;
    assert_eq!(rollup(db).await, crate::support::ROLLUPS);
    append(db, "later", &LOG.hour(day("2026-01-08"), 9)).await;
}

async fn deleted(db: &Tallybook, options: &GcOptions) -> Vec<Superseded> {
    let mut gone = Vec::new();
    db.gc(options, |file| gone.push(file.clone())).await.unwrap();
    gone
}

#[tokio::test]
async fn only_replaced_segments_go_and_only_after_the_grace_period() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = sandbox.db("2026-02-01").await;
    repaired(&db).await;
    let (answer, _) = both(&db, COUNT).await;
    let before = sandbox.files("");

    // The store's own clock decides the age of files: a host whose clock is far ahead deletes
    // nothing that was written just now.
    let clock = Arc::new(FixedClock::noon_of(day("2100-01-01")));
    let later = Tallybook::builder(&location)
        .settings(Settings::default())
        .clock(clock)
        .open()
        .await
        .unwrap();
    assert_eq!(deleted(&later, &GcOptions::default()).await, []);
    let dry = GcOptions { dry_run: true, ..AT_ONCE };
    let planned = deleted(&later, &dry).await;
    assert_eq!(sandbox.files(""), before, "a dry run deletes nothing");
    let gone = deleted(&later, &AT_ONCE).await;
    assert_eq!(gone, planned);
    assert_eq!(gone.len(), crate::support::ROLLUPS, "{gone:?}");
    assert!(gone.iter().all(|file| file.file.contains("date=2026-01-05")), "{gone:?}");
    let left = sandbox.files("");
    assert_eq!(left.len(), before.len() - crate::support::ROLLUPS);
    assert_eq!(deleted(&later, &AT_ONCE).await, []);

    let (again, stats) = both(&db, COUNT).await;
    assert_eq!((again, stats.rollup_days, stats.raw_days), (answer, 10, 1));
    assert_eq!(db.verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
}

#[tokio::test]
async fn a_question_whose_file_goes_takes_a_new_snapshot() {
    let store = FakeStore::start();
    let location = "s3://bucket/gone";
    for cache in [Settings::default().segment_cache_bytes, 0] {
        let settings = Settings { segment_cache_bytes: cache, ..store.settings() };
        let db = db_at(location, "2026-01-11", settings.clone()).await;
        repaired(&db).await;
        let (expected, _) = csv(&db, COUNT, Route::Raw).await;
        store.remove_when_read("/rollups/");
        let files = store.keys().len();
        let (found, stats) = csv(&db, COUNT, Route::Auto).await;
        assert_eq!(store.keys().len(), files - 1, "a segment went as it was read");
        assert_eq!(found, expected, "{stats:?}");
        assert_ne!(stats.route, "raw");
        for key in store.keys() {
            store.remove(&key);
        }
    }
}

#[test]
fn the_command_says_what_goes() {
    let sandbox = Sandbox::new();
    let definition = sandbox.write("d.toml", DEFAULT_DEFINITION);
    sandbox.run(&["init", definition.to_str().unwrap()]).ok();
    for (batch, hour) in [("a", 7), ("b", 9)] {
        let lines = LOG.hour(day("2026-01-05"), hour);
        sandbox.run_with(&["append", "-", "--batch", batch], lines.as_bytes()).ok();
        sandbox.run(&["rollup"]).ok();
    }
    let ran = sandbox.run(&["gc"]).ok();
    assert!(ran.err.contains("nothing is superseded"), "{ran:?}");
    std::thread::sleep(Duration::from_millis(20));
    let dry = sandbox.run(&["gc", "--grace", "1ms", "--dry-run"]).ok();
    assert!(
        dry.err.contains(&format!("{} superseded files of", crate::support::ROLLUPS)),
        "{dry:?}"
    );
    assert_eq!(sandbox.files("rollups").len(), 2 * crate::support::ROLLUPS);
    let ran = sandbox.run(&["gc", "--grace", "1ms"]).ok();
    assert_eq!(ran.out, dry.out);
    assert_eq!(ran.out.lines().count(), crate::support::ROLLUPS);
    assert_eq!(sandbox.files("rollups").len(), crate::support::ROLLUPS);
    sandbox.run(&["gc", "--grace", "soon"]).failed(2, "--grace");
}

#[test]
fn hints_of_a_day_that_is_not_whole_stay() {
    let small = Small::new();
    small.append("one", &["2026-01-03"], &["a", "b"], 1).ok();
    small.run("rollup").ok();
    let hints = small.sandbox.files("rollups");
    small.run("purge --older-than 9d").ok();
    let remains = small.raw("2026-01-03", "P2-").remove(0);
    flip(&remains);
    small.run("gc --grace 0s").failed(5, "P2-");
    assert_eq!(small.sandbox.files("rollups"), hints, "they may be the last that tell");
}
