//! Erasure: no answer and no file has the erased rows, and all answers have the other rows.

use std::fs;

use tallybook::{DEFAULT_DEFINITION, ErrorKind, Query, RollupState, Route, Settings};

use crate::support::{
    Sandbox, append, csv, day, db_with,
    life::{
        BY_MODEL, BY_ORGANIZATION, BY_USER, COUNT, LOG, answers, erase, gc, purge, rolled_up,
        ten_days, verified,
    },
    rollup,
    small::{Small, flip},
    try_answer,
};

#[tokio::test]
async fn an_erased_organization_is_in_no_answer_and_no_file() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = rolled_up(&sandbox).await;
    assert_eq!(purge(&db, 8).await, 2);
    append(&db, "today", &LOG.hour(day("2026-01-11"), 9)).await;
    let of = |sql: &str, which: &str| {
        sql.replace(
            "ai_usage_log",
            &format!("ai_usage_log WHERE organization_id {which} 'org-001'"),
        )
    };
    let (others, _) = csv(&db, &of(BY_ORGANIZATION, "<>"), Route::Auto).await;
    let days = format!(
        "{} GROUP BY 1",
        of("SELECT DISTINCT date FROM ai_usage_log", "=").replace(" GROUP BY 1", "")
    );
    let (days, _) = csv(&db, &days, Route::Auto).await;
    let dry = sandbox.run(&["erase", "--organization", "org-001", "--dry-run"]).ok();
    let (erased, dropped) = erase(&db, "organization_id", "org-001").await;
    assert_eq!(erased, days.lines().count() - 1);
    assert_eq!(dry.out.lines().count(), erased);
    assert_eq!(dropped, ["platform_daily", "latency_daily", "platform_daily", "latency_daily"]);
    for collected in [false, true] {
        assert_eq!(csv(&db, BY_ORGANIZATION, Route::Auto).await.0, others, "{collected}");
        assert_eq!(csv(&db, &of(COUNT, "="), Route::Auto).await.0, "n,c\n0,\n");
        // On purged days, no rollup is left that counts the organization, or that can't show
        // whether it does.
        let error = try_answer(&db, &Query::sql(BY_MODEL.replace("model", "provider"))).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::NotFound);
        verified(&db).await;
        let status = db.status().await.unwrap();
        let purged = |state: &RollupState| *state == RollupState::Purged;
        assert_eq!(status.days.iter().filter(|day| day.states.iter().any(purged)).count(), 2);
        gc(&location, &Settings::default()).await;
    }
    for file in sandbox.files("") {
        let content = fs::read(&file).unwrap();
        let named = content.windows(7).any(|bytes| bytes == b"org-001");
        assert!(!named, "{} names it", file.display());
    }
    // A retry of a batch that held the organization's rows doesn't bring them back.
    append(&db, "2026-01-05 9", &LOG.hour(day("2026-01-05"), 9)).await;
    assert_eq!(csv(&db, BY_ORGANIZATION, Route::Auto).await.0, others);
    let ran = sandbox.run(&["erase", "--organization", "org-001"]).ok();
    assert!(ran.err.contains("there are no such rows"), "{ran:?}");
    sandbox.run(&["erase"]).failed(2, "--organization");
    sandbox.run(&["erase", "--where", "nope=1"]).failed(3, "no column `nope`");
    sandbox.run(&["erase", "--where", "nope"]).failed(3, "COLUMN=VALUE");
}

#[tokio::test]
async fn an_erased_user_leaves_purged_days_alone_that_never_named_it() {
    let sandbox = Sandbox::new();
    // No rollup names users.
    let without_users = DEFAULT_DEFINITION.replace("\"user_id\", \"api_key\"", "\"api_key\"");
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = db_with(&location, &without_users, "2026-01-11", Settings::default()).await;
    ten_days(&db).await;
    let nobody = r#"{"timestamp":"2026-01-05T10:00:00Z","organization_id":"org-000"}"#;
    append(&db, "nobody's", nobody).await;
    rollup(&db).await;
    let users = "SELECT user_id, count(*) AS n FROM ai_usage_log WHERE user_id IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1";
    let (users, _) = csv(&db, users, Route::Raw).await;
    let user = users.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    purge(&db, 8).await;
    let rest = "SELECT count(*) AS n FROM ai_usage_log WHERE date > '2026-01-02' AND user_id = "
        .to_owned()
        + &format!("'{user}'");
    assert_ne!(csv(&db, &rest, Route::Auto).await.0, "n\n0\n");
    let others = format!("{BY_USER} HAVING user_id IS DISTINCT FROM '{user}'")
        .replace("GROUP", "WHERE date > '2026-01-02' GROUP");
    let (others_before, _) = csv(&db, &others, Route::Auto).await;
    assert!(others_before.contains("\n,1\n"), "one row is nobody's: {others_before}");
    let (days, dropped) = erase(&db, "user_id", &user).await;
    assert!(days > 0 && dropped.is_empty(), "{days} {dropped:?}");
    assert_eq!(csv(&db, &others, Route::Auto).await.0, others_before);
    assert_eq!(csv(&db, &rest, Route::Auto).await.0, "n\n0\n");
    csv(&db, BY_MODEL, Route::Auto).await;
    verified(&db).await;
}

/// A rollup that names users tells which purged days hold the user's rows. What remains for other
/// rollups of these days counts the rows, too, and is dropped.
#[tokio::test]
async fn an_erased_user_is_in_no_answer_of_a_purged_day() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    let (users, _) = csv(&db, BY_USER, Route::Raw).await;
    let user = users.lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    let others = format!("{BY_USER} HAVING user_id IS DISTINCT FROM '{user}'");
    let (others_before, _) = csv(&db, &others, Route::Auto).await;
    purge(&db, 8).await;
    let (days, dropped) = erase(&db, "user_id", &user).await;
    assert!(days > 0 && dropped.iter().any(|rollup| rollup == "org_daily"), "{days} {dropped:?}");
    assert!(dropped.iter().all(|rollup| rollup != "users_daily"), "{dropped:?}");
    assert_eq!(csv(&db, &others, Route::Auto).await.0, others_before);
    let rows = format!("SELECT count(*) AS n FROM ai_usage_log WHERE user_id = '{user}'");
    assert_eq!(csv(&db, &rows, Route::Auto).await.0, "n\n0\n");
    verified(&db).await;
}

/// Of a purged day, only the user's late rows are erased: the day's remains don't show which of
/// their numbers are the user's.
#[tokio::test]
async fn an_erased_user_of_late_rows_leaves_what_rollups_know() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    purge(&db, 8).await;
    let late = |user: &str, minute: u8| {
        format!(
            "{{\"timestamp\":\"2026-01-02T20:{minute:02}:00Z\",\"organization_id\":\"org-001\",\
             \"user_id\":\"{user}\",\"cost\":\"0.25\"}}\n"
        )
    };
    append(&db, "late", &(late("gone", 1) + &late("stays", 2) + &late("gone", 3))).await;
    let twin = Sandbox::new();
    let without = rolled_up(&twin).await;
    append(&without, "late", &late("stays", 2)).await;
    let expected = answers(&without, Route::Raw).await;
    let (days, dropped) = erase(&db, "user_id", "gone").await;
    assert_eq!((days, dropped), (1, Vec::new()));
    assert_eq!(answers(&db, Route::Auto).await, expected);
    assert_eq!(rollup(&db).await, 0, "all of it is in the rollups");
    verified(&db).await;
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(answers(&db, Route::Auto).await, expected);
    for file in sandbox.files("") {
        let content = fs::read(&file).unwrap();
        let named = content.windows(4).any(|bytes| bytes == b"gone");
        assert!(!named, "{} names the user", file.display());
    }
    append(&db, "late", &(late("gone", 1) + &late("stays", 2) + &late("gone", 3))).await;
    assert_eq!(answers(&db, Route::Auto).await, expected);
}

/// Rollups are hints: an erasure loses nothing of a purged day when all rollups are deleted.
#[tokio::test]
async fn an_erasure_needs_no_rollup() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    purge(&db, 8).await;
    append(&db, "late", &LOG.hour(day("2026-01-02"), 20)).await;
    let others = BY_ORGANIZATION.replace("GROUP", "WHERE organization_id <> 'org-001' GROUP");
    let expected = csv(&db, &others, Route::Auto).await.0;
    fs::remove_dir_all(sandbox.root().join("rollups")).unwrap();
    erase(&db, "organization_id", "org-001").await;
    gc(sandbox.root().to_str().unwrap(), &Settings::default()).await;
    assert_eq!(csv(&db, BY_ORGANIZATION, Route::Auto).await.0, expected);
    verified(&db).await;
}

#[test]
fn a_void_on_a_purged_day_stops_nothing() {
    let small = Small::new();
    small.append("one", &["2026-01-03"], &["a", "b"], 1).ok();
    small.run("rollup").ok();
    small.run("purge --older-than 9d").ok();
    small.append_and_die("append.claim", "two", &["2026-01-02", "2026-01-03"], &["a", "c"]);
    for line in ["erase --where who=a", "rollup", "nightly", "purge --older-than 9d"] {
        small.run(line).ok();
        assert_eq!(small.counts("auto"), ["2026-01-03 b 1"], "after {line}");
    }
    small.append("two", &["2026-01-02", "2026-01-03"], &["a", "c"], 1).ok();
    let expected = ["2026-01-02 c 1", "2026-01-03 b 1", "2026-01-03 c 1"];
    assert_eq!(small.counts("auto"), expected);
    small.run("nightly").ok();
    small.run("verify").ok();
    assert_eq!(small.counts("auto"), expected);
}

#[test]
fn a_rollup_with_a_filter_does_not_tell_of_what_it_left_out() {
    let more = "[[rollup]]\nname = \"all\"\ngrain = \"day\"\ndimensions = []\n\
                measures = [\"count(*) as n\"]\n";
    let filtered = crate::support::SMALL_LOG
        .replace("dimensions = [\"who\"]", "dimensions = [\"who\"]\nfilter = \"v > 5\"");
    let small = Small::of(&(filtered + more));
    small.append("one", &["2026-01-03"], &["a", "b"], 1).ok();
    small.append("two", &["2026-01-03"], &["c"], 9).ok();
    small.run("rollup").ok();
    small.run("purge --older-than 9d").ok();
    // The day's remains don't show whether the total counts such rows.
    let ran = small.run("erase --where who=a").ok();
    assert!(ran.err.contains("1 purged day was left alone"), "{ran:?}");
    // Here they do show it, so the total is dropped.
    let ran = small.run("erase --where who=c").ok();
    assert!(ran.err.contains("rollup all"), "{ran:?}");
    small.sandbox.run(&["query", "SELECT count(*) AS n FROM log"]).failed(4, "purged");
}

#[test]
fn what_can_not_be_read_stops_no_erasure_of_other_days() {
    let days = ["2026-01-03", "2026-01-04", "2026-01-05"];
    for what in ["leaf", "junk", "claim", "manifest"] {
        let small = Small::new();
        small.append("one", &days, &["a", "b"], 1).ok();
        small.append("two", &days, &["a"], 1).ok();
        small.run("rollup --compact").ok();
        small.append("three", &["2026-01-04"], &["a"], 1).ok();
        let day = small.sandbox.root().join("raw/date=2026-01-04");
        let (damaged, sound) = match what {
            "leaf" => (small.raw("2026-01-04", "C2-").remove(0), None),
            "junk" => (day.join("junk.parquet"), Some("junk")),
            "claim" => (small.sandbox.files("batches").remove(0), None),
            _ => (day.join("_m/2-00000001.json"), None),
        };
        match sound {
            Some(junk) => fs::write(&damaged, junk).unwrap(),
            None => flip(&damaged),
        }
        let name = damaged.file_name().unwrap().to_str().unwrap().to_owned();
        small.run("erase --where who=a").failed(5, &name);
        for day in ["2026-01-03", "2026-01-05"] {
            let left = small.ask("raw", &format!("WHERE date = '{day}'")).ok();
            assert_eq!(left.out, format!("d,who,n\n{day},b,1\n"), "{what}");
        }
    }
}
