//! The whole life of a root on object stores: over HTTP in both dialects, and on moto and azurite
//! where they run.

use tallybook::{
    CompactOptions, ErrorKind, FixedClock, Outcome, PurgeOptions, Query, Route, SampleLog,
    Settings, SystemClock, Tallybook,
};

use crate::support::life::AT_ONCE;
use crate::support::{
    append, append_days, azurite, both, csv, day, db_at,
    fake_store::FakeStore,
    life::{answers, compact, erase, gc, purge, verified},
    moto, program, rollup, run,
};

const LOG: SampleLog = SampleLog { seed: 11, organizations: 5, rows_per_hour: 4 };

/// Appends, rolls up and queries, with late rows and retries. Every kind of root must pass.
async fn conforms(location: &str, settings: &Settings) {
    let db = db_at(location, "2026-01-12", settings.clone()).await;
    let mut rows = append_days(&db, &LOG, "2026-01-01", 11, &[12]).await;
    assert_eq!(rollup(&db).await, 11 * crate::support::ROLLUPS);
    assert_eq!(rollup(&db).await, 0);
    let retry = append(&db, "2026-01-03", &LOG.hour(day("2026-01-03"), 12)).await;
    assert_eq!(retry.leaves_new, 0);
    rows += append(&db, "late", &LOG.hour(day("2026-01-03"), 15)).await.rows;
    let sql = "SELECT count(*) AS n FROM ai_usage_log";
    let (text, stats) = both(&db, sql).await;
    assert_eq!(text, format!("n\n{rows}\n"));
    assert_eq!((stats.route, stats.rollup_days, stats.raw_days), ("mixed", 11, 1));
    both(&db, "SELECT organization_id, sum(cost), avg(cost) FROM ai_usage_log GROUP BY 1").await;
    assert_eq!(db.verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
    // Another process gets the same answer.
    let clock = std::sync::Arc::new(SystemClock);
    let other =
        Tallybook::builder(location).settings(settings.clone()).clock(clock).open().await.unwrap();
    assert_eq!(csv(&other, sql, Route::Auto).await.0, text);
    let options = tallybook::AppendOptions {
        batch: Some(tallybook::BatchId::try_new("2026-01-04").unwrap()),
        ..Default::default()
    };
    let other_rows = tallybook::Input::bytes("x.ndjson", LOG.hour(day("2026-01-04"), 13));
    let conflict = db.append(vec![other_rows], options).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    lives(&db, location, settings).await;
}

/// Compacts, purges, deletes files and erases. The answers stay right.
async fn lives(db: &Tallybook, location: &str, settings: &Settings) {
    let sql = "SELECT organization_id, count(*) AS n, sum(cost) AS c FROM ai_usage_log GROUP BY 1";
    assert_eq!(rollup(db).await, crate::support::ROLLUPS);
    let (expected, _) = both(db, sql).await;
    let mut compacted = 0;
    let all = CompactOptions::default();
    let done = db.compact(&all, |report| {
        compacted += usize::from(matches!(report.outcome, Outcome::Compacted { .. }));
    });
    done.await.unwrap().into_result().unwrap();
    assert_eq!(compacted, 1, "one day has two leaves");
    assert_eq!(both(db, sql).await.0, expected);
    let mut purged = 0;
    let old = PurgeOptions { older_than_days: 8, ..PurgeOptions::default() };
    let done = db.purge(&old, |report| {
        purged += usize::from(matches!(report.outcome, Outcome::Purged(_)));
    });
    done.await.unwrap().into_result().unwrap();
    assert_eq!(purged, 3);
    let clock = std::sync::Arc::new(FixedClock::noon_of(day("2100-01-01")));
    let later =
        Tallybook::builder(location).settings(settings.clone()).clock(clock).open().await.unwrap();
    let mut gone = 0;
    later.gc(&AT_ONCE, |_| gone += 1).await.unwrap();
    // Deleted are the four leaves of the purged days. One of these days was compacted before: of
    // it, the merged file, the previous tag, and the segments that lacked the late leaf. The other
    // segments of the purged days are not deleted: they prove these days if the folders are
    // lost.
    assert_eq!(gone, 6 + crate::support::ROLLUPS);
    let (found, stats) = csv(db, sql, Route::Auto).await;
    assert_eq!((found, stats.route), (expected.clone(), "rollup"));
    let columns = [("organization_id".to_owned(), "org-000".to_owned())];
    Box::pin(db.erase(&columns, false, |_| {})).await.unwrap().into_result().unwrap();
    let others: Vec<_> = expected.lines().filter(|line| !line.starts_with("org-000")).collect();
    assert_eq!(csv(db, sql, Route::Auto).await.0, others.join("\n") + "\n");
    assert_eq!(db.verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
}

#[tokio::test]
async fn a_local_folder() {
    let sandbox = crate::support::Sandbox::new();
    Box::pin(conforms(sandbox.root().to_str().unwrap(), &Settings::default())).await;
    assert_eq!(sandbox.files(".staging"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn s3_over_http() {
    let store = FakeStore::start();
    Box::pin(conforms("s3://bucket/some/where", &store.settings())).await;
    let keys = store.keys();
    assert!(keys.iter().all(|key| key.starts_with("some/where/")), "{keys:?}");
    assert!(keys.contains(&"some/where/dataset.toml".to_owned()));
}

#[tokio::test]
async fn gcs_over_http() {
    let store = FakeStore::start();
    Box::pin(conforms("gs://bucket", &store.settings())).await;
    assert!(store.keys().iter().any(|key| key.starts_with("raw/date=2026-01-03/")));
}

#[tokio::test]
async fn s3_by_moto() {
    let Some(settings) = moto("s3_by_moto") else { return };
    Box::pin(conforms(&format!("s3://bucket/{}", std::process::id()), &settings)).await;
}

#[tokio::test]
async fn azure_by_azurite() {
    let Some((container, settings)) = azurite("azure_by_azurite") else { return };
    Box::pin(conforms(&format!("az://{container}/{}", std::process::id()), &settings)).await;
}

#[tokio::test]
async fn deleted_segments_change_no_answer() {
    let store = FakeStore::start();
    let db = db_at("s3://bucket/r", "2026-01-12", store.settings()).await;
    append_days(&db, &LOG, "2026-01-01", 10, &[12]).await;
    rollup(&db).await;
    let sql = "SELECT organization_id, count(*) AS n, sum(cost) AS c FROM ai_usage_log GROUP BY 1";
    let (expected, _) = csv(&db, sql, Route::Raw).await;
    for key in store.keys().into_iter().filter(|key| key.contains("/rollups/")) {
        store.remove(&key);
        assert_eq!(csv(&db, sql, Route::Auto).await.0, expected, "without {key}");
    }
}

#[tokio::test]
async fn a_store_that_overwrites_is_refused_at_the_first_write() {
    let store = FakeStore::start();
    store.ignore_conditions();
    let clock = std::sync::Arc::new(SystemClock);
    let made =
        Tallybook::builder("s3://bucket/r").settings(store.settings()).clock(clock).create().await;
    let error = made.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("overwrites files"), "{error}");
}

#[test]
fn the_program_reads_the_usual_environment() {
    let store = FakeStore::start();
    let command = |args: &[&str]| {
        let mut command = program();
        command.envs(store.environment()).args(["--root", "s3://bucket/r"]).args(args);
        command
    };
    let rows = LOG.hour(day("2026-01-03"), 12);
    run(command(&["append", "--batch", "b"]), rows.as_bytes()).ok();
    run(command(&["rollup"]), b"").ok();
    let count =
        run(command(&["query", "SELECT count(*) FROM ai_usage_log", "--format", "csv"]), b"");
    assert_eq!(count.ok().out, format!("count(*)\n{}\n", rows.lines().count()));
    let listed = run(command(&["files"]), b"").ok().out;
    assert!(listed.starts_with("s3://bucket/r/raw/date=2026-01-03/"), "{listed}");
    let unit = run(command(&["schedule", "kubernetes"]), b"").ok().out;
    assert!(unit.contains("args: [\"--root\", \"s3://bucket/r\", \"nightly\"]"), "{unit}");
}

#[test]
fn a_missing_bucket_and_a_dead_store_are_named() {
    let store = FakeStore::start();
    let command = |args: &[&str]| {
        let mut command = program();
        command.envs(store.environment()).args(args);
        command
    };
    let rows = LOG.hour(day("2026-01-03"), 12);
    let gone = run(command(&["--root", "s3://gone/r", "append"]), rows.as_bytes());
    gone.failed(4, "s3://gone/r");
    let gone = run(command(&["--root", "s3://gone/r", "status"]), b"");
    gone.failed(4, "s3://gone/r");
    let wrong = run(command(&["--root", "ftp://x/y", "status"]), b"");
    wrong.failed(3, "no store for `ftp://`");
}

#[tokio::test]
async fn one_question_lists_once() {
    let store = FakeStore::start();
    let db = db_at("s3://bucket/r", "2026-01-12", store.settings()).await;
    append(&db, "b", &LOG.hour(day("2026-01-03"), 12)).await;
    let before = store.log().len();
    let answer = db.query(&Query::sql("SELECT count(*) FROM ai_usage_log")).await.unwrap();
    let (_, stats) = answer.collect().await.unwrap();
    let sent = store.log().len() - before;
    assert_eq!(sent, stats.requests as usize, "{stats:?}");
    let opened =
        store.log()[before..].iter().filter(|(_, path)| path.ends_with(".parquet")).count();
    assert!(opened > 0 && sent <= 8, "{sent} requests, {opened} of files");
}

/// The whole life of a root on a store over HTTP, in both dialects.
#[tokio::test]
async fn a_root_on_a_store_lives_the_same() {
    let store = FakeStore::start();
    for (location, settings) in
        [("s3://bucket/a", store.settings()), ("gs://bucket/b", store.settings())]
    {
        let db = db_at(location, "2026-01-11", settings.clone()).await;
        append_days(&db, &LOG, "2026-01-01", 10, &[3]).await;
        append_days_again(&db).await;
        rollup(&db).await;
        let expected = answers(&db, Route::Raw).await;
        assert_eq!(compact(&db).await, 10);
        assert_eq!(answers(&db, Route::Raw).await, expected);
        purge(&db, 8).await;
        assert_eq!(answers(&db, Route::Auto).await, expected);
        gc(location, &settings).await;
        let fresh = db_at(location, "2026-01-11", settings.clone()).await;
        assert_eq!(answers(&fresh, Route::Auto).await, expected);
        erase(&fresh, "organization_id", "org-002").await;
        gc(location, &settings).await;
        let of = "SELECT count(*) AS n FROM ai_usage_log WHERE organization_id = 'org-002'";
        assert_eq!(csv(&db, of, Route::Auto).await.0, "n\n0\n");
        verified(&db).await;
    }
}

async fn append_days_again(db: &Tallybook) {
    for offset in 0..10 {
        let day = day("2026-01-01").plus(offset);
        append(db, &format!("{day} again"), &LOG.hour(day, 16)).await;
    }
}

/// The disk cache of a root is not used for a new root that took its place.
#[tokio::test]
async fn a_root_that_is_made_anew_has_nothing_of_the_one_before() {
    let (store, folder) = (FakeStore::start(), tempfile::tempdir().unwrap());
    let settings = Settings { cache_dir: Some(folder.path().to_owned()), ..store.settings() };
    for leaves in [2, 3] {
        let db = db_at("s3://bucket/again", "2026-01-12", settings.clone()).await;
        let third = day("2026-01-03");
        let mut rows = 0;
        for hour in 0..leaves {
            rows += append(&db, &format!("{hour}"), &LOG.hour(third, hour)).await.rows;
        }
        rollup(&db).await;
        compact(&db).await;
        // A leaf beside the merged file makes the query read the manifest.
        rows += append(&db, "late", &LOG.hour(third, 20)).await.rows;
        let (found, _) = both(&db, "SELECT count(*) AS n FROM ai_usage_log").await;
        assert_eq!(found, format!("n\n{rows}\n"));
        for key in store.keys() {
            store.remove(&key);
        }
    }
}
