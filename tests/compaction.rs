//! Compaction: what it changes on disk, and that it changes no answer.

use std::fs;

use tallybook::{CompactOptions, Outcome, Query, Route, Settings, Span};

use crate::support::{
    Sandbox, append, both, csv, day,
    life::{BY_ORGANIZATION, COUNT, LOG, answers, compact, gc, rolled_up, ten_days, verified},
    rollup, try_answer,
};

#[tokio::test]
async fn compaction_changes_no_answer_and_no_rollup() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    let expected = answers(&db, Route::Raw).await;
    let segments = sandbox.files("rollups");
    assert_eq!(compact(&db).await, 10);
    assert_eq!(compact(&db).await, 0, "a compacted day needs nothing");
    assert_eq!(rollup(&db).await, 0, "rollups stay current");
    assert_eq!(sandbox.files("rollups"), segments);
    assert_eq!(db.files(Span::ALL).await.unwrap().len(), 10);
    for fresh in [false, true] {
        let other = sandbox.db("2026-01-11").await;
        let db = if fresh { &other } else { &db };
        for route in [Route::Raw, Route::Auto] {
            assert_eq!(answers(db, route).await, expected, "{route} {fresh}");
        }
        assert_eq!(csv(db, COUNT, Route::Auto).await.1.route, "rollup");
        verified(db).await;
    }
    // 30 leaves are deleted. The manifests, their tags and ten files stay.
    let gone = gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(gone.len(), 30, "{gone:?}");
    assert_eq!(sandbox.files("raw").len(), 30);
    assert_eq!(answers(&db, Route::Raw).await, expected);
    verified(&db).await;
}

#[tokio::test]
async fn late_rows_and_retries_of_absorbed_batches_count_once() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = rolled_up(&sandbox).await;
    compact(&db).await;
    let fifth = day("2026-01-05");
    for collected in [false, true] {
        let (before, _) = both(&db, COUNT).await;
        let retry = append(&db, "2026-01-05 9", &LOG.hour(fifth, 9)).await;
        assert_eq!((retry.leaves, retry.leaves_new), (1, 0), "after gc: {collected}");
        assert_eq!(both(&db, COUNT).await.0, before, "after gc: {collected}");
        gc(&location, &Settings::default()).await;
    }
    let late = append(&db, "late", &LOG.hour(fifth, 20)).await;
    let (_, stats) = both(&db, COUNT).await;
    assert_eq!((stats.rollup_days, stats.raw_days), (10, 1), "the late leaf alone is read raw");
    assert!(late.rows > 0);
    assert_eq!(rollup(&db).await, crate::support::ROLLUPS);
    assert_eq!(csv(&db, COUNT, Route::Auto).await.1.route, "rollup");
    assert_eq!(compact(&db).await, 1);
    gc(&location, &Settings::default()).await;
    let left = sandbox.files("raw/date=2026-01-05");
    assert_eq!(left.len(), 4, "one file, two manifests and a tag: {left:?}");
    both(&db, BY_ORGANIZATION).await;
    verified(&db).await;
}

#[tokio::test]
async fn a_day_that_is_not_current_waits() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-11").await;
    ten_days(&db).await;
    let mut waiting = 0;
    let options = CompactOptions::default();
    let done = db.compact(&options, |report| {
        waiting += usize::from(matches!(report.outcome, Outcome::Waits(_)));
    });
    assert_eq!(done.await.unwrap().into_result().unwrap(), 0);
    assert_eq!(waiting, 10);
    assert_eq!(sandbox.files("raw").len(), 30);
    let ran = sandbox.run(&["compact"]).ok();
    assert!(ran.err.contains("2026-01-05: waits until org_daily"), "{ran:?}");
    let ran = sandbox.run(&["rollup", "--compact"]).ok();
    assert!(ran.err.contains("10 days compacted"), "{ran:?}");
    assert!(ran.out.contains("2026-01-05: 3 files of "), "{ran:?}");
    assert!(sandbox.run(&["compact"]).ok().err.contains("no day has more"));
}

#[tokio::test]
async fn two_compactors_at_once_agree() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    let expected = answers(&db, Route::Raw).await;
    let dbs = [sandbox.db("2026-01-11").await, sandbox.db("2026-01-11").await];
    let compacting = dbs.iter().map(|db| async {
        let mut outcomes = (0, 0);
        let all = CompactOptions::default();
        let done = db.compact(&all, |report| match report.outcome {
            Outcome::Compacted { .. } => outcomes.0 += 1,
            Outcome::Overtaken => outcomes.1 += 1,
            _ => panic!("{report:?}"),
        });
        done.await.unwrap().into_result().unwrap();
        outcomes
    });
    let done = futures::future::join_all(compacting).await;
    assert_eq!(done.iter().map(|(won, _)| won).sum::<usize>(), 10, "{done:?}");
    assert_eq!(answers(&db, Route::Raw).await, expected);
    assert_eq!(answers(&db, Route::Auto).await, expected);
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(sandbox.files("raw").len(), 30);
    assert_eq!(answers(&db, Route::Raw).await, expected);
    verified(&db).await;
}

#[tokio::test]
async fn what_a_dead_compaction_left_goes_and_a_slow_one_can_not_use_it() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = rolled_up(&sandbox).await;
    let expected = answers(&db, Route::Raw).await;
    compact(&db).await;
    // The state before the manifest of one day was created.
    for file in sandbox.files("raw/date=2026-01-05/_m") {
        fs::remove_file(file).unwrap();
    }
    let files = sandbox.files("raw/date=2026-01-05");
    let name = |file: &std::path::PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    let merged = files.iter().map(name).find(|name| name.starts_with("C2-")).unwrap();
    let intent = merged.replace("C2-", "2-").replace("-0000.parquet", ".intent");
    fs::write(sandbox.root().join("raw/date=2026-01-05/_m").join(intent), "").unwrap();
    assert_eq!(answers(&db, Route::Raw).await, expected, "nobody counts its file");
    let gone = gc(&location, &Settings::default()).await;
    let orphans = gone.iter().filter(|file| file.contains("/C2-")).count();
    assert_eq!(orphans, 1, "{gone:?}");
    // `gc` closed the generation of the dead compaction by a manifest.
    assert!(sandbox.root().join("raw/date=2026-01-05/_m/2-00000001.json").exists());
    assert_eq!(answers(&db, Route::Raw).await, expected);
    assert_eq!(answers(&db, Route::Auto).await, expected);
    assert_eq!(compact(&db).await, 1);
    gc(&location, &Settings::default()).await;
    assert_eq!(answers(&db, Route::Raw).await, expected);
    assert_eq!(sandbox.files("raw").len(), 31, "and the manifest that closed the generation");
}

#[tokio::test]
async fn files_of_other_tools_are_not_compacted() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-11").await;
    ten_days(&db).await;
    let leaves = sandbox.files("raw/date=2026-01-05");
    fs::rename(&leaves[0], leaves[0].with_file_name("from-elsewhere.parquet")).unwrap();
    rollup(&db).await;
    let expected = answers(&db, Route::Raw).await;
    compact(&db).await;
    assert_eq!(answers(&db, Route::Raw).await, expected);
    assert_eq!(answers(&db, Route::Auto).await, expected);
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(answers(&db, Route::Auto).await, expected);
    assert!(leaves[0].with_file_name("from-elsewhere.parquet").exists());
}

#[tokio::test]
async fn a_merged_file_that_is_gone_is_an_error_and_never_a_smaller_number() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    compact(&db).await;
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    let files = sandbox.files("raw/date=2026-01-05");
    let merged = files.iter().find(|file| file.to_str().unwrap().contains("/C2-")).unwrap();
    fs::remove_file(merged).unwrap();
    let name = merged.file_name().unwrap().to_str().unwrap();
    for fresh in [false, true] {
        let other = sandbox.db("2026-01-11").await;
        let db = if fresh { &other } else { &db };
        let error = try_answer(db, &Query::sql(COUNT).by_route(Route::Raw)).await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(csv(db, COUNT, Route::Auto).await.1.route, "rollup", "what it doesn't need");
    }
    let ran = sandbox.run(&["verify"]);
    assert_eq!((ran.code, ran.out.contains(name)), (1, true), "{ran:?}");
    let ran = sandbox.run(&["status"]);
    assert_eq!((ran.code, ran.out.contains(name)), (1, true), "{ran:?}");
}
