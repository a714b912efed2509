//! Compaction, purge, erasure: what they change on disk, and that no answer changes with it.

use std::{collections::BTreeSet, fs, sync::Arc};

use tallybook::{
    CompactOptions, Compaction, Erasure, ErrorKind, FixedClock, GcOptions, Purge, PurgeOptions,
    Question, RollupState, Route, SampleLog, Settings, Span, Tallybook,
};

use crate::support::{
    Sandbox, append, append_days, book_at, both, csv, day, fake_store::FakeStore, rollup,
    try_answer,
};

const LOG: SampleLog = SampleLog { seed: 6, organizations: 5, rows_per_hour: 4 };
const COUNT: &str = "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log";
const BY_ORGANIZATION: &str = "SELECT organization_id, count(*) AS n, sum(cost) AS c, avg(input_tokens) AS a \
                               FROM ai_usage_log GROUP BY 1";
const BY_MODEL: &str =
    "SELECT model, count(*) AS n, max(latency_ms) AS m FROM ai_usage_log GROUP BY 1";
const BY_USER: &str = "SELECT user_id, count(*) AS n FROM ai_usage_log GROUP BY 1";
const HOURS: [u8; 3] = [1, 9, 15];

/// Ten days, each of three leaves.
async fn ten_days(book: &Tallybook) {
    for hour in HOURS {
        for offset in 0..10 {
            let day = day("2026-01-01").plus(offset);
            append(book, &format!("{day} {hour}"), &LOG.hour(day, hour)).await;
        }
    }
}

async fn compact(book: &Tallybook) -> usize {
    let mut days = 0;
    book.compact(&CompactOptions::default(), |task, done| match done {
        Compaction::Compacted { files, .. } => {
            assert_eq!(*files, 1, "{task:?}");
            days += 1;
        }
        other => panic!("{task:?} {other:?}"),
    })
    .await
    .unwrap();
    days
}

async fn purge(book: &Tallybook, older_than_days: u32) -> usize {
    let mut days = 0;
    let options = PurgeOptions { older_than_days, dry_run: false };
    book.purge(&options, |day, done| match done {
        Purge::Purged { .. } => days += 1,
        other => panic!("{day} {other:?}"),
    })
    .await
    .unwrap();
    days
}

async fn erase(book: &Tallybook, column: &str, value: &str) -> (usize, Vec<String>) {
    let (mut days, mut dropped) = (0, Vec::new());
    let columns = [(column.to_owned(), value.to_owned())];
    book.erase(&columns, false, |day, done| match done {
        Erasure::Erased => days += 1,
        Erasure::Dropped { rollup } => dropped.push(rollup.clone()),
        other => panic!("{day} {other:?}"),
    })
    .await
    .unwrap();
    (days, dropped)
}

/// Deletes all that may be, as if long after.
async fn gc(location: &str, settings: &Settings) -> BTreeSet<String> {
    let clock = Arc::new(FixedClock::noon_of(day("2100-01-01")));
    let later = Tallybook::open_with(location, settings.clone(), clock).await.unwrap();
    let mut gone = BTreeSet::new();
    let grace = GcOptions::default();
    later
        .gc(&grace, |file| assert!(gone.insert(file.file.clone()), "twice: {file:?}"))
        .await
        .unwrap();
    gone
}

async fn verified(book: &Tallybook) {
    assert_eq!(book.verify(Span::ALL, |_| {}).await.unwrap(), None);
}

async fn answers(book: &Tallybook, route: Route) -> Vec<String> {
    let mut answers = Vec::new();
    for sql in [COUNT, BY_ORGANIZATION, BY_MODEL] {
        answers.push(csv(book, sql, route).await.0);
    }
    answers
}

#[tokio::test]
async fn compaction_changes_no_answer_and_no_rollup() {
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    let expected = answers(&book, Route::Raw).await;
    let segments = sandbox.files("rollups");
    assert_eq!(compact(&book).await, 10);
    assert_eq!(compact(&book).await, 0, "a compacted day needs nothing");
    assert_eq!(rollup(&book).await, 0, "rollups stay current");
    assert_eq!(sandbox.files("rollups"), segments);
    assert_eq!(book.files(Span::ALL).await.unwrap().len(), 10);
    for fresh in [false, true] {
        let other = sandbox.book("2026-01-11").await;
        let book = if fresh { &other } else { &book };
        for route in [Route::Raw, Route::Auto] {
            assert_eq!(answers(book, route).await, expected, "{route} {fresh}");
        }
        assert_eq!(csv(book, COUNT, Route::Auto).await.1.route, "rollup");
        verified(book).await;
    }
    // 30 leaves go; the manifests, their tags and ten files stay.
    let gone = gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(gone.len(), 30, "{gone:?}");
    assert_eq!(sandbox.files("raw").len(), 30);
    assert_eq!(answers(&book, Route::Raw).await, expected);
    verified(&book).await;
}

#[tokio::test]
async fn late_rows_and_retries_of_absorbed_batches_count_once() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    compact(&book).await;
    let fifth = day("2026-01-05");
    for collected in [false, true] {
        let (before, _) = both(&book, COUNT).await;
        let retry = append(&book, "2026-01-05 9", &LOG.hour(fifth, 9)).await;
        assert_eq!((retry.leaves, retry.leaves_new), (1, 0), "after gc: {collected}");
        assert_eq!(both(&book, COUNT).await.0, before, "after gc: {collected}");
        gc(&location, &Settings::default()).await;
    }
    let late = append(&book, "late", &LOG.hour(fifth, 20)).await;
    let (_, stats) = both(&book, COUNT).await;
    assert_eq!((stats.rollup_days, stats.raw_days), (10, 1), "the late leaf alone is read raw");
    assert!(late.rows > 0);
    assert_eq!(rollup(&book).await, 3);
    assert_eq!(csv(&book, COUNT, Route::Auto).await.1.route, "rollup");
    assert_eq!(compact(&book).await, 1);
    gc(&location, &Settings::default()).await;
    assert_eq!(sandbox.files("raw/date=2026-01-05").len(), 3, "one file, its manifest and tag");
    both(&book, BY_ORGANIZATION).await;
    verified(&book).await;
}

#[tokio::test]
async fn a_day_that_is_not_current_waits() {
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    let mut waiting = 0;
    let options = CompactOptions::default();
    book.compact(&options, |_, done| waiting += usize::from(matches!(done, Compaction::Waits(_))))
        .await
        .unwrap();
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
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    let expected = answers(&book, Route::Raw).await;
    let books = [sandbox.book("2026-01-11").await, sandbox.book("2026-01-11").await];
    let compacting = books.iter().map(|book| async {
        let mut outcomes = (0, 0);
        book.compact(&CompactOptions::default(), |task, done| match done {
            Compaction::Compacted { .. } => outcomes.0 += 1,
            Compaction::Overtaken => outcomes.1 += 1,
            other => panic!("{task:?} {other:?}"),
        })
        .await
        .unwrap();
        outcomes
    });
    let done = futures::future::join_all(compacting).await;
    assert_eq!(done.iter().map(|(won, _)| won).sum::<usize>(), 10, "{done:?}");
    assert_eq!(answers(&book, Route::Raw).await, expected);
    assert_eq!(answers(&book, Route::Auto).await, expected);
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(sandbox.files("raw").len(), 30);
    assert_eq!(answers(&book, Route::Raw).await, expected);
    verified(&book).await;
}

#[tokio::test]
async fn purged_days_are_answered_by_rollups_or_not_at_all() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    let expected = answers(&book, Route::Raw).await;
    assert_eq!(purge(&book, 6).await, 4);
    assert_eq!(purge(&book, 6).await, 0);
    for collected in [false, true] {
        assert_eq!(answers(&book, Route::Auto).await, expected, "{collected}");
        let short = format!("{COUNT} WHERE date = '2026-01-02'");
        assert_eq!(csv(&book, &short, Route::Auto).await.1.route, "rollup", "{collected}");
        for (sql, route) in [
            (BY_USER, Route::Auto),
            (COUNT, Route::Raw),
            ("SELECT * FROM ai_usage_log", Route::Auto),
        ] {
            let error = try_answer(&book, &Question::sql(sql).by_route(route)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{sql}");
            let words = error.to_string();
            assert!(words.contains("4 days from 2026-01-01 to 2026-01-04 were purged"), "{words}");
        }
        let later = format!("{BY_USER} HAVING count(*) > 0")
            .replace("GROUP", "WHERE date > '2026-01-04' GROUP");
        csv(&book, &later, Route::Auto).await;
        verified(&book).await;
        let status = book.status().await.unwrap();
        assert!(status.is_current());
        assert_eq!(status.days.iter().filter(|day| day.purged).count(), 4);
        let rows: u64 = status.days.iter().map(|day| day.rows).sum();
        assert!(expected[0].contains(&format!("\n{rows},")), "{rows} {expected:?}");
        gc(&location, &Settings::default()).await;
    }
    assert_eq!(sandbox.files("raw/date=2026-01-02").len(), 2, "a manifest and its tag");
    let ran = sandbox.run(&["query", BY_USER]).failed(4, "were purged");
    assert!(ran.err.contains("user_id is not a dimension"), "{ran:?}");

    // A late batch counts at once; then it is in the rollups, of which it is the only trace at last.
    let late = append(&book, "late", &LOG.hour(day("2026-01-02"), 20)).await;
    assert!(late.rows > 0);
    let with_late = answers(&book, Route::Auto).await;
    assert_ne!(with_late, expected);
    assert_eq!(rollup(&book).await, 3);
    assert_eq!(answers(&book, Route::Auto).await, with_late);
    assert_eq!(csv(&book, COUNT, Route::Auto).await.1.route, "rollup");
    assert_eq!(purge(&book, 6).await, 1);
    gc(&location, &Settings::default()).await;
    assert_eq!(sandbox.files("raw/date=2026-01-02").len(), 2);
    assert_eq!(answers(&book, Route::Auto).await, with_late);
    let retry = append(&book, "late", &LOG.hour(day("2026-01-02"), 20)).await;
    assert_eq!(retry.leaves_new, 0);
    assert_eq!(answers(&book, Route::Auto).await, with_late);
    verified(&book).await;
}

#[tokio::test]
async fn raw_rows_stay_when_a_segment_is_not_what_they_make() {
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    let segments = sandbox.files("rollups/org_hourly");
    fs::copy(&segments[0], &segments[1]).unwrap();
    let mut kept = Vec::new();
    let options = PurgeOptions { older_than_days: 0, dry_run: false };
    book.purge(&options, |day, done| {
        if !matches!(done, Purge::Purged { .. }) {
            kept.push((day.to_string(), format!("{done:?}")));
        }
    })
    .await
    .unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].0 == "2026-01-02" && kept[0].1.contains("Differs"), "{kept:?}");
    sandbox.run(&["purge", "--older-than", "0d"]).failed(5, "where the raw rows make");
    sandbox.run(&["purge", "--older-than", "soon"]).failed(2, "a number of days");
}

#[tokio::test]
async fn an_erased_organization_is_in_no_answer_and_no_file() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    assert_eq!(purge(&book, 8).await, 2);
    append(&book, "today", &LOG.hour(day("2026-01-11"), 9)).await;
    let of = |sql: &str, which: &str| {
        sql.replace(
            "ai_usage_log",
            &format!("ai_usage_log WHERE organization_id {which} 'org-001'"),
        )
    };
    let (others, _) = csv(&book, &of(BY_ORGANIZATION, "<>"), Route::Auto).await;
    let days = format!(
        "{} GROUP BY 1",
        of("SELECT DISTINCT date FROM ai_usage_log", "=").replace(" GROUP BY 1", "")
    );
    let (days, _) = csv(&book, &days, Route::Auto).await;
    let dry = sandbox.run(&["erase", "--organization", "org-001", "--dry-run"]).ok();
    let (erased, dropped) = erase(&book, "organization_id", "org-001").await;
    assert_eq!(erased, days.lines().count() - 1);
    assert_eq!(dry.out.lines().count(), erased);
    assert_eq!(dropped, ["platform_daily", "platform_daily"]);
    for collected in [false, true] {
        assert_eq!(csv(&book, BY_ORGANIZATION, Route::Auto).await.0, others, "{collected}");
        assert_eq!(csv(&book, &of(COUNT, "="), Route::Auto).await.0, "n,c\n0,\n");
        // Of purged days nothing is left that could count it, or could not tell whether it does.
        let error = try_answer(&book, &Question::sql(BY_MODEL.replace("model", "provider"))).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        verified(&book).await;
        let status = book.status().await.unwrap();
        let purged = |state: &RollupState| *state == RollupState::Purged;
        assert_eq!(status.days.iter().filter(|day| day.states.iter().any(purged)).count(), 2);
        gc(&location, &Settings::default()).await;
    }
    for file in sandbox.files("") {
        let content = fs::read(&file).unwrap();
        let named = content.windows(7).any(|bytes| bytes == b"org-001");
        assert!(!named, "{} names it", file.display());
    }
    // A retry of a batch that held it doesn't bring it back.
    append(&book, "2026-01-05 9", &LOG.hour(day("2026-01-05"), 9)).await;
    assert_eq!(csv(&book, BY_ORGANIZATION, Route::Auto).await.0, others);
    let ran = sandbox.run(&["erase", "--organization", "org-001"]).ok();
    assert!(ran.err.contains("there are no such rows"), "{ran:?}");
    sandbox.run(&["erase"]).failed(2, "--organization");
    sandbox.run(&["erase", "--where", "nope=1"]).failed(3, "no column `nope`");
    sandbox.run(&["erase", "--where", "nope"]).failed(3, "COLUMN=VALUE");
}

#[tokio::test]
async fn an_erased_user_leaves_purged_days_alone_that_never_named_it() {
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    let nobody = r#"{"timestamp":"2026-01-05T10:00:00Z","organization_id":"org-000"}"#;
    append(&book, "nobody's", nobody).await;
    rollup(&book).await;
    let users = "SELECT user_id, count(*) AS n FROM ai_usage_log WHERE user_id IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1";
    let (users, _) = csv(&book, users, Route::Raw).await;
    let user = users.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    purge(&book, 8).await;
    let rest = "SELECT count(*) AS n FROM ai_usage_log WHERE date > '2026-01-02' AND user_id = "
        .to_owned()
        + &format!("'{user}'");
    assert_ne!(csv(&book, &rest, Route::Auto).await.0, "n\n0\n");
    let others = format!("{BY_USER} HAVING user_id IS DISTINCT FROM '{user}'")
        .replace("GROUP", "WHERE date > '2026-01-02' GROUP");
    let (others_before, _) = csv(&book, &others, Route::Auto).await;
    assert!(others_before.contains("\n,1\n"), "one row is nobody's: {others_before}");
    let (days, dropped) = erase(&book, "user_id", &user).await;
    assert!(days > 0 && dropped.is_empty(), "{days} {dropped:?}");
    assert_eq!(csv(&book, &others, Route::Auto).await.0, others_before);
    assert_eq!(csv(&book, &rest, Route::Auto).await.0, "n\n0\n");
    csv(&book, BY_MODEL, Route::Auto).await;
    verified(&book).await;
}

#[tokio::test]
async fn what_a_dead_compaction_left_goes_and_a_slow_one_can_not_use_it() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    let expected = answers(&book, Route::Raw).await;
    compact(&book).await;
    // As it was before the manifest of one day was created.
    for file in sandbox.files("raw/date=2026-01-05/_m") {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(answers(&book, Route::Raw).await, expected, "nobody counts its file");
    let gone = gc(&location, &Settings::default()).await;
    let orphans = gone.iter().filter(|file| file.contains("/c-")).count();
    assert_eq!(orphans, 1, "{gone:?}");
    // The generation that the dead one would have made is taken.
    assert!(sandbox.root().join("raw/date=2026-01-05/_m/00000001.json").exists());
    assert_eq!(answers(&book, Route::Raw).await, expected);
    assert_eq!(answers(&book, Route::Auto).await, expected);
    assert_eq!(compact(&book).await, 1);
    gc(&location, &Settings::default()).await;
    assert_eq!(answers(&book, Route::Raw).await, expected);
    assert_eq!(sandbox.files("raw").len(), 30);
}

#[tokio::test]
async fn files_of_other_tools_are_not_compacted() {
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    let leaves = sandbox.files("raw/date=2026-01-05");
    fs::rename(&leaves[0], leaves[0].with_file_name("from-elsewhere.parquet")).unwrap();
    rollup(&book).await;
    let expected = answers(&book, Route::Raw).await;
    compact(&book).await;
    assert_eq!(answers(&book, Route::Raw).await, expected);
    assert_eq!(answers(&book, Route::Auto).await, expected);
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(answers(&book, Route::Auto).await, expected);
    assert!(leaves[0].with_file_name("from-elsewhere.parquet").exists());
}

/// The whole life of a root on a store over HTTP, and without its conveniences.
#[tokio::test]
async fn a_root_on_a_store_lives_the_same() {
    let store = FakeStore::start();
    for (location, settings) in
        [("s3://bucket/a", store.settings()), ("gs://bucket/b", store.settings())]
    {
        let book = book_at(location, "2026-01-11", settings.clone()).await;
        append_days(&book, &LOG, "2026-01-01", 10, &[3]).await;
        append_days_again(&book).await;
        rollup(&book).await;
        let expected = answers(&book, Route::Raw).await;
        assert_eq!(compact(&book).await, 10);
        assert_eq!(answers(&book, Route::Raw).await, expected);
        purge(&book, 8).await;
        assert_eq!(answers(&book, Route::Auto).await, expected);
        gc(location, &settings).await;
        let fresh = book_at(location, "2026-01-11", settings.clone()).await;
        assert_eq!(answers(&fresh, Route::Auto).await, expected);
        erase(&fresh, "organization_id", "org-002").await;
        gc(location, &settings).await;
        let of = "SELECT count(*) AS n FROM ai_usage_log WHERE organization_id = 'org-002'";
        assert_eq!(csv(&book, of, Route::Auto).await.0, "n\n0\n");
        verified(&book).await;
    }
}

async fn append_days_again(book: &Tallybook) {
    for offset in 0..10 {
        let day = day("2026-01-01").plus(offset);
        append(book, &format!("{day} again"), &LOG.hour(day, 16)).await;
    }
}

#[tokio::test]
async fn a_merged_file_that_is_gone_is_an_error_and_never_a_smaller_number() {
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-11").await;
    ten_days(&book).await;
    rollup(&book).await;
    compact(&book).await;
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    let files = sandbox.files("raw/date=2026-01-05");
    let merged = files.iter().find(|file| file.to_str().unwrap().contains("/c-")).unwrap();
    fs::remove_file(merged).unwrap();
    let name = merged.file_name().unwrap().to_str().unwrap();
    for fresh in [false, true] {
        let other = sandbox.book("2026-01-11").await;
        let book = if fresh { &other } else { &book };
        let error = try_answer(book, &Question::sql(COUNT).by_route(Route::Raw)).await.unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(csv(book, COUNT, Route::Auto).await.1.route, "rollup", "what it doesn't need");
    }
    let ran = sandbox.run(&["verify"]);
    assert_eq!((ran.code, ran.err.contains(name)), (4, true), "{ran:?}");
}
