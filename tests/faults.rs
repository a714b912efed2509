//! A store that fails, loses acknowledgements and cuts bodies: every answer is right or an error.

use std::ops::Range;

use bytes::Bytes;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use tallybook::{
    AppendOptions, BatchId, CompactOptions, ErrorKind, Input, Outcome, Query, RollupOptions, Route,
    SampleLog, Settings,
};

use crate::support::{
    Sandbox, append, append_days, csv, day, db_at,
    fake_store::{FakeStore, Fault},
    rollup,
};

const LOG: SampleLog = SampleLog { seed: 2, organizations: 3, rows_per_hour: 2 };
const COUNT: &str = "SELECT count(*) AS n FROM ai_usage_log";

fn options(batch: &str) -> AppendOptions {
    AppendOptions { batch: Some(BatchId::try_new(batch).unwrap()), ..AppendOptions::default() }
}

/// When the acknowledgement of a create is lost, the writer reads the file back. The rows count
/// once, and the file is never reported as another writer's.
#[tokio::test(flavor = "multi_thread")]
async fn lost_acknowledgements_are_settled() {
    for (dialect, kinds) in [
        ("s3", [Fault::UnavailableAfter, Fault::ResetAfter]),
        ("gs", [Fault::ResetAfter, Fault::ResetBefore]),
    ] {
        let store = FakeStore::start();
        let db = db_at(&format!("{dialect}://bucket/r"), "2026-01-12", store.settings()).await;
        store.break_some("PUT", &kinds, 0.3, 9);
        let mut rows = 0;
        for hour in 0..24 {
            for offset in 0..4 {
                let day = day("2026-01-01").plus(offset);
                let report = append(&db, &format!("{day} {hour}"), &LOG.hour(day, hour)).await;
                assert_eq!(report.leaves_new, 1, "its own leaf is not another's");
                rows += report.rows;
            }
        }
        rollup(&db).await;
        store.mend();
        for route in [Route::Raw, Route::Auto] {
            assert_eq!(csv(&db, COUNT, route).await.0, format!("n\n{rows}\n"));
        }
    }
}

/// A manifest was created, but its acknowledgement was lost and it can't be read back. The writer
/// must not take it for another writer's manifest: the files that it names stay.
#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_nobody_can_see_keeps_its_files() {
    let store = FakeStore::start();
    let settings = Settings { retry_timeout_s: 1, ..store.settings() };
    let db = db_at("s3://bucket/r", "2026-01-12", settings).await;
    let third = day("2026-01-03");
    append(&db, "one", &LOG.hour(third, 3)).await;
    append(&db, "two", &LOG.hour(third, 4)).await;
    rollup(&db).await;
    let (expected, _) = csv(&db, COUNT, Route::Raw).await;
    store.lose_sight_of("/_m/");
    let mut failed = Vec::new();
    let all = CompactOptions::default();
    let compacted = db.compact(&all, |report| match &report.outcome {
        Outcome::Failed(error) => failed.push(error.kind()),
        _ => panic!("{report:?}"),
    });
    assert_eq!(compacted.await.unwrap().failures.len(), 1);
    assert_eq!(failed, [ErrorKind::Unavailable]);
    store.mend();
    assert_eq!(csv(&db, COUNT, Route::Raw).await.0, expected);
    assert_eq!(db.verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
}

/// An append to a store that goes down ends with an error. A retry completes the append.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_fails_anywhere_is_completed_by_its_retry() {
    let mut lines = String::new();
    for offset in 0..5 {
        lines += &LOG.hour(day("2026-01-01").plus(offset), 12);
    }
    let rows = lines.lines().count();
    for nth in 0..7 {
        for fault in [Fault::UnavailableBefore, Fault::ResetAfter] {
            let store = FakeStore::start();
            let settings = Settings { retry_timeout_s: 0, ..store.settings() };
            let db = db_at("s3://bucket/r", "2026-01-12", settings).await;
            store.break_from("PUT", nth, fault);
            let input = || vec![Input::bytes("x.ndjson", lines.clone())];
            let first = db.append(input(), options("b")).await;
            store.mend();
            assert!(nth >= 6 || first.is_err() || fault == Fault::ResetAfter, "{nth} {first:?}");
            db.append(input(), options("b")).await.unwrap();
            assert_eq!(
                csv(&db, COUNT, Route::Auto).await.0,
                format!("n\n{rows}\n"),
                "{nth} {fault:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_reads_are_resumed_or_an_error_and_never_fewer_rows() {
    let store = FakeStore::start();
    let settings = Settings { retry_timeout_s: 2, ..store.settings() };
    let db = db_at("s3://bucket/r", "2026-01-12", settings).await;
    let rows = append_days(&db, &LOG, "2026-01-01", 10, &[12]).await;
    rollup(&db).await;
    let (mut right, mut failed) = (0, 0);
    for seed in 0..30 {
        let kinds =
            [Fault::Truncate, Fault::ResetBefore, Fault::UnavailableBefore, Fault::ResetAfter];
        store.break_some("GET", &kinds, 0.15, seed);
        for route in [Route::Raw, Route::Auto] {
            let query = Query::sql(COUNT).by_route(route);
            let answer = match db.query(&query).await {
                Ok(answer) => answer.collect().await,
                Err(error) => Err(error),
            };
            match answer {
                Err(_) => failed += 1,
                Ok((batches, _)) => {
                    use arrow::{array::AsArray as _, datatypes::Int64Type};
                    let count = batches[0].column(0).as_primitive::<Int64Type>().value(0);
                    assert_eq!(count.unsigned_abs(), rows, "seed {seed}, route {route}");
                    right += 1;
                }
            }
        }
    }
    store.mend();
    eprintln!("{right} answers right, {failed} errors");
    assert!(right > 0);
    rollup(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_anywhere_changes_no_answer() {
    for nth in 0..6 {
        let store = FakeStore::start();
        let settings = Settings { retry_timeout_s: 0, ..store.settings() };
        let db = db_at("s3://bucket/r", "2026-01-12", settings).await;
        append_days(&db, &LOG, "2026-01-01", 10, &[12]).await;
        let (expected, _) = csv(&db, COUNT, Route::Raw).await;
        store.break_from("PUT", nth * 5, Fault::UnavailableAfter);
        drop(db.rollup(&RollupOptions::default(), |_| {}).await);
        store.mend();
        assert_eq!(csv(&db, COUNT, Route::Auto).await.0, expected);
        rollup(&db).await;
        let (text, stats) = csv(&db, COUNT, Route::Auto).await;
        assert_eq!((text, stats.route), (expected, "rollup"));
    }
}

#[tokio::test]
async fn a_truncated_leaf_is_an_error_that_names_it() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-12").await;
    append_days(&db, &LOG, "2026-01-01", 3, &[12]).await;
    let leaf = &sandbox.files("raw")[1];
    let name = leaf.file_name().unwrap().to_str().unwrap();
    let content = std::fs::read(leaf).unwrap();
    for keep in [0, 3, content.len() / 2, content.len() - 1] {
        std::fs::write(leaf, &content[..keep]).unwrap();
        let ran = sandbox.run(&["query", COUNT, "--format", "csv"]).failed(5, name);
        assert_eq!(ran.out, "", "no part of an answer");
        // `status` names the file, and still reports the other days.
        let status = sandbox.run(&["status"]);
        assert!(status.code == 1 && status.out.contains(name), "{status:?}");
        sandbox.run(&["rollup"]).failed(5, name);
        assert_eq!(sandbox.run(&["verify"]).code, 1);
    }
    // Damage that only a decoder finds.
    let mut damaged = content.clone();
    damaged[column_bytes(&content, "organization_id")].fill(0xa5);
    std::fs::write(leaf, damaged).unwrap();
    let all = "SELECT * FROM ai_usage_log";
    sandbox.run(&["query", all, "--format", "csv"]).failed(5, name);
    sandbox.run(&["rollup"]).failed(5, name);
}

/// The range of bytes of that column in the file's first row group.
fn column_bytes(file: &[u8], column: &str) -> Range<usize> {
    let reader = SerializedFileReader::new(Bytes::copy_from_slice(file)).unwrap();
    let row_group = reader.metadata().row_group(0);
    let chunk = row_group.columns().iter().find(|chunk| chunk.column_path().string() == column);
    let (start, length) = chunk.unwrap().byte_range();
    usize::try_from(start).unwrap()..usize::try_from(start + length).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_read_only_root_are_told() {
    let sandbox = Sandbox::new();
    let rows = LOG.hour(day("2026-01-01"), 12);
    sandbox.run_with(&["append"], rows.as_bytes()).ok();
    // A file in place of the folder simulates a root that can't be written to, also when root runs
    // this test.
    let staging = sandbox.root().join(".staging");
    std::fs::remove_dir(&staging).unwrap();
    std::fs::write(&staging, "").unwrap();
    sandbox.run_with(&["append"], rows.as_bytes()).failed(7, ".staging");
    sandbox.run(&["rollup"]).failed(7, ".staging");
    sandbox.run(&["query", COUNT]).ok();
    std::fs::remove_file(&staging).unwrap();
    // A limit on file sizes makes writes fail, as a full disk does.
    let mut command = std::process::Command::new("sh");
    let program = env!("CARGO_BIN_EXE_tallybook");
    let script = format!(
        "ulimit -f 1; trap '' XFSZ; exec '{program}' --root '{}' append",
        sandbox.root().display()
    );
    command.args(["-c", &script]);
    let big: String = (0..40).map(|hour| LOG.hour(day("2026-01-01").plus(hour), 10)).collect();
    let ran = crate::support::run(command, big.repeat(50).as_bytes());
    ran.failed(7, "can't write");
    let count = sandbox.run(&["query", COUNT, "--format", "csv"]).ok().out;
    assert_eq!(count, format!("n\n{}\n", rows.lines().count()), "nothing of it is visible");
}
