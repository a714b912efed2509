//! Purge: rollups answer for purged raw rows. Queries that rollups can't answer are errors.

use std::fs;

use tallybook::{ErrorKind, Outcome, PurgeOptions, Query, Route, Settings};

use crate::support::{
    Sandbox, append, csv, day,
    life::{BY_SESSION, COUNT, HOURS, LOG, answers, gc, purge, rolled_up, verified},
    rollup, try_answer,
};

#[tokio::test]
async fn purged_days_are_answered_by_rollups_or_not_at_all() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = rolled_up(&sandbox).await;
    let expected = answers(&db, Route::Raw).await;
    assert_eq!(purge(&db, 6).await, 4);
    assert_eq!(purge(&db, 6).await, 0);
    for collected in [false, true] {
        assert_eq!(answers(&db, Route::Auto).await, expected, "{collected}");
        let short = format!("{COUNT} WHERE date = '2026-01-02'");
        assert_eq!(csv(&db, &short, Route::Auto).await.1.route, "rollup", "{collected}");
        for (sql, route) in [
            (BY_SESSION, Route::Auto),
            (COUNT, Route::Raw),
            ("SELECT * FROM ai_usage_log", Route::Auto),
        ] {
            let error = try_answer(&db, &Query::sql(sql).by_route(route)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{sql}");
            let words = error.to_string();
            assert!(words.contains("4 days from 2026-01-01 to 2026-01-04 were purged"), "{words}");
        }
        let later = format!("{BY_SESSION} HAVING count(*) > 0")
            .replace("GROUP", "WHERE date > '2026-01-04' GROUP");
        csv(&db, &later, Route::Auto).await;
        verified(&db).await;
        let status = db.status().await.unwrap();
        assert!(status.is_current());
        assert_eq!(status.days.iter().filter(|day| day.purged).count(), 4);
        let rows: u64 = status.days.iter().map(|day| day.rows).sum();
        assert!(expected[0].contains(&format!("\n{rows},")), "{rows} {expected:?}");
        gc(&location, &Settings::default()).await;
    }
    assert_eq!(
        sandbox.files("raw/date=2026-01-02").len(),
        crate::support::ROLLUPS + 2,
        "what remains for each rollup, a manifest and its tag"
    );
    let ran = sandbox.run(&["query", BY_SESSION]).failed(4, "were purged");
    assert!(ran.err.contains("session_id is not a dimension"), "{ran:?}");

    // A late batch counts at once, then in the rollups. After a purge and `gc`, only the day's
    // remains have its rows.
    let late = append(&db, "late", &LOG.hour(day("2026-01-02"), 20)).await;
    assert!(late.rows > 0);
    let with_late = answers(&db, Route::Auto).await;
    assert_ne!(with_late, expected);
    assert_eq!(rollup(&db).await, crate::support::ROLLUPS);
    assert_eq!(answers(&db, Route::Auto).await, with_late);
    assert_eq!(csv(&db, COUNT, Route::Auto).await.1.route, "rollup");
    assert_eq!(purge(&db, 6).await, 1);
    gc(&location, &Settings::default()).await;
    let files = sandbox.files("raw/date=2026-01-02").len();
    assert_eq!(files, crate::support::ROLLUPS + 3, "two manifests");
    assert_eq!(answers(&db, Route::Auto).await, with_late);
    let retry = append(&db, "late", &LOG.hour(day("2026-01-02"), 20)).await;
    assert_eq!(retry.leaves_new, 0);
    assert_eq!(answers(&db, Route::Auto).await, with_late);
    verified(&db).await;
}

/// Rollups are hints: a purge computes the remains from the raw rows, not from segments.
#[tokio::test]
async fn a_wrong_segment_does_not_become_what_remains() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    let expected = answers(&db, Route::Raw).await;
    // Wrong segments: built from batches of the same names with other rows.
    let (other, second) = (Sandbox::new(), day("2026-01-02"));
    let others = other.db("2026-01-11").await;
    for hour in HOURS {
        append(&others, &format!("{second} {hour}"), &LOG.hour(second, hour + 1)).await;
    }
    rollup(&others).await;
    for wrong in other.files("rollups") {
        fs::copy(&wrong, sandbox.root().join(wrong.strip_prefix(other.root()).unwrap())).unwrap();
    }
    assert_eq!(purge(&db, 0).await, 10);
    for _ in 0..2 {
        assert_eq!(answers(&db, Route::Auto).await, expected);
        fs::remove_dir_all(sandbox.root().join("rollups")).ok();
    }
    verified(&db).await;
    sandbox.run(&["purge", "--older-than", "soon"]).failed(2, "a number of days");
}

/// A day with a damaged raw file is not purged.
#[tokio::test]
async fn damaged_raw_rows_stay() {
    let sandbox = Sandbox::new();
    let db = rolled_up(&sandbox).await;
    let file = &sandbox.files("raw/date=2026-01-02")[0];
    let mut bytes = fs::read(file).unwrap();
    bytes[1000] ^= 1;
    fs::write(file, bytes).unwrap();
    let mut stays = Vec::new();
    let options = PurgeOptions { older_than_days: 0, ..PurgeOptions::default() };
    let purged = db.purge(&options, |report| {
        if let Outcome::Failed(error) = &report.outcome {
            stays.push((report.period.to_string(), error.kind()));
        }
    });
    assert_eq!(purged.await.unwrap().failures.len(), 1);
    assert_eq!(stays, [("2026-01-02".to_owned(), ErrorKind::Corrupt)]);
    let name = file.file_name().unwrap().to_str().unwrap();
    sandbox.run(&["purge", "--older-than", "0d"]).failed(5, name);
}

#[test]
fn what_remains_for_a_rollup_goes_before_the_rest() {
    let sandbox = Sandbox::new();
    let row = |day: u32| {
        format!(
            "{{\"timestamp\":\"2026-01-{day:02}T10:00:00Z\",\"organization_id\":\"a\",\
             \"user_id\":\"u\",\"model\":\"m\",\"cost\":1}}\n"
        )
    };
    let rows = (1..=20).map(row).collect::<Vec<_>>().concat();
    sandbox.run_with(&["append"], rows.as_bytes()).ok();
    let none = sandbox.run(&["purge", "--older-than", "30d", "--rollup", "org_hourly"]).ok();
    assert!(none.err.contains("there is nothing to purge"), "{}", none.err);
    sandbox.run(&["rollup"]).ok();
    let purged = sandbox.run(&["purge", "--older-than", "30d", "--yes"]).ok();
    let told = "no rollup has request_id, session_id, event_id, batch, tags: questions about them";
    assert!(purged.err.contains(told), "{}", purged.err);
    assert!(!purged.err.contains("these reports"), "{}", purged.err);
    let of = |sql: &str| sandbox.run(&["query", sql, "--format", "csv"]);
    let hours = "SELECT date_trunc('hour', timestamp) AS h, count(*) FROM ai_usage_log GROUP BY 1";
    assert_eq!(of(hours).ok().out.lines().count(), 21);
    let args = ["purge", "--older-than", "30d", "--rollup", "org_hourly"];
    let dry = sandbox.run(&[args.as_slice(), &["--dry-run"]].concat()).ok();
    let done = sandbox.run(&args).ok();
    assert_eq!(dry.out, done.out);
    assert!(done.out.starts_with("2026-01-01 org_hourly: "), "{}", done.out);
    assert!(done.err.contains("20 files of rollups purged"), "{}", done.err);
    of(hours).failed(4, "were purged");
    sandbox.run(&["gc", "--grace", "0s"]).ok();
    sandbox.run(&["rollup"]).ok();
    of(hours).failed(4, "were purged");
    let users = of("SELECT user_id, sum(cost) FROM ai_usage_log GROUP BY 1").ok().out;
    assert!(users.contains("u,20.000000000000"), "{users}");
    sandbox.run(&["gc", "--grace", "0s"]).ok();
    sandbox.run(&["verify"]).ok();
    // A late row stays raw, until it is purged into what is left.
    let late = rows.lines().next().unwrap().replace("10:00", "11:00");
    sandbox.run_with(&["append", "-", "--batch", "late"], late.as_bytes()).ok();
    sandbox.run(&["purge", "--older-than", "30d", "--rollup", "latency_daily"]).ok();
    let dry = sandbox.run(&["erase", "--batch", "late", "--dry-run"]).ok();
    assert!(dry.err.contains("1 day has such rows"), "{}", dry.err);
    sandbox.run(&["purge", "--older-than", "30d"]).ok();
    let users = of("SELECT user_id, sum(cost) FROM ai_usage_log GROUP BY 1").ok().out;
    assert!(users.contains("u,21.000000000000"), "{users}");
    of(hours).failed(4, "were purged");
    sandbox
        .run(&["purge", "--older-than", "30d", "--rollup", "nope"])
        .failed(4, "no rollup `nope`");
    let all = ["org_daily", "platform_daily", "chargeback_daily", "users_daily"];
    let all: Vec<_> = all.iter().flat_map(|name| ["--rollup", name]).collect();
    let ran = sandbox.run(&[["purge", "--older-than", "30d"].as_slice(), &all].concat());
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert!(ran.err.contains("no rollup would answer for it"), "{}", ran.err);
}
