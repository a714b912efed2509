//! The nightly job, freshness, status and verify.

use std::fs;

use tallybook::{BuildReason, Outcome, Period, Plan, RollupOptions, RollupState, Route, SampleLog};

use crate::support::{self, Sandbox, append, both, csv, day, db_at, rollup};

const LOG: SampleLog = SampleLog { seed: 3, organizations: 7, rows_per_hour: 3 };

async fn append_days(db: &tallybook::Tallybook, days: i32) {
    support::append_days(db, &LOG, "2026-01-01", days, &[3, 17]).await;
}

const MONTHLY: &str = "SELECT organization_id, sum(cost) AS cost, count(*) AS n, avg(input_tokens) AS a \
                       FROM ai_usage_log GROUP BY 1";

#[tokio::test]
async fn it_builds_each_finished_day_once() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-11").await;
    append_days(&db, 11).await;
    assert_eq!(rollup(&db).await, 10 * support::ROLLUPS, "of ten days; today isn't finished");
    let files = sandbox.files("rollups");
    assert_eq!(rollup(&db).await, 0);
    assert_eq!(sandbox.files("rollups"), files);
    let (_, stats) = both(&db, MONTHLY).await;
    assert_eq!((stats.route, stats.rollup_days, stats.raw_days), ("mixed", 10, 1));
}

#[tokio::test]
async fn a_late_batch_counts_at_once_and_costs_only_itself() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, 20).await;
    rollup(&db).await;
    let (before, _) = both(&db, "SELECT count(*) FROM ai_usage_log").await;
    let late = append(&db, "late", &LOG.hour(day("2026-01-05"), 8)).await;
    let (after, stats) = both(&db, "SELECT count(*) FROM ai_usage_log").await;
    let number = |text: &str| text.lines().nth(1).unwrap().parse::<u64>().unwrap();
    assert_eq!(number(&after), number(&before) + late.rows);
    assert_eq!((stats.route, stats.rollup_days, stats.raw_days, stats.files), ("mixed", 20, 1, 21));
    assert!(stats.rows_scanned < 20 * 30, "{stats:?}");

    let status = db.status().await.unwrap();
    let states: Vec<_> = status.days.iter().flat_map(|day| &day.states).collect();
    let behind = states.iter().filter(|state| ***state == RollupState::Behind(1)).count();
    assert_eq!(
        (behind, states.len(), status.is_current()),
        (support::ROLLUPS, 20 * support::ROLLUPS, false)
    );

    let mut reasons = Vec::new();
    let dry = RollupOptions { dry_run: true, ..RollupOptions::default() };
    let planned = db.rollup(&dry, |report| match report.outcome {
        Outcome::Planned(plan) => reasons.push((report.period, plan)),
        _ => panic!("{report:?}"),
    });
    assert_eq!(planned.await.unwrap().into_result().unwrap(), support::ROLLUPS as u64);
    let plan = Plan::Build(BuildReason::Behind { leaves: 1 });
    assert_eq!(reasons, [(Period::Day(day("2026-01-05")), plan); support::ROLLUPS]);
    assert_eq!(rollup(&db).await, support::ROLLUPS);
    assert!(db.status().await.unwrap().is_current());
    let (again, stats) = both(&db, "SELECT count(*) FROM ai_usage_log").await;
    assert_eq!((again, stats.route), (after, "rollup"));
}

#[tokio::test]
async fn deleting_any_segment_changes_no_answer() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, 10).await;
    rollup(&db).await;
    let (expected, _) = csv(&db, MONTHLY, Route::Raw).await;
    for file in sandbox.files("rollups") {
        let content = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let (found, _) = csv(&db, MONTHLY, Route::Auto).await;
        assert_eq!(found, expected, "without {}", file.display());
        fs::write(&file, content).unwrap();
    }
}

#[tokio::test]
async fn a_segment_of_leaves_that_are_gone_is_never_used() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, 10).await;
    append(&db, "more", &LOG.hour(day("2026-01-05"), 8)).await;
    rollup(&db).await;
    let leaves = sandbox.files("raw/date=2026-01-05");
    assert_eq!(leaves.len(), 2);
    fs::remove_file(&leaves[0]).unwrap();
    let (_, stats) = both(&db, MONTHLY).await;
    assert_eq!((stats.rollup_days, stats.raw_days), (9, 1));
}

#[tokio::test]
async fn ranges_and_names_are_obeyed() {
    let db = db_at("memory://", "2026-01-20", tallybook::Settings::default()).await;
    append_days(&db, 10).await;
    let mut built = Vec::new();
    let options = RollupOptions {
        from: Some(day("2026-01-03")),
        to: Some(day("2026-01-04")),
        names: vec!["org_hourly".to_owned()],
        ..RollupOptions::default()
    };
    let done = db.rollup(&options, |report| {
        built.push(format!("{} {}", report.period, report.subject.as_deref().unwrap()));
    });
    done.await.unwrap().into_result().unwrap();
    assert_eq!(built, ["2026-01-03 org_hourly", "2026-01-04 org_hourly"]);
    let unknown = RollupOptions { names: vec!["nope".to_owned()], ..RollupOptions::default() };
    let error = db.rollup(&unknown, |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), tallybook::ErrorKind::NotFound);
}

#[tokio::test]
async fn two_jobs_at_once_agree() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, 10).await;
    let (a, b) = (sandbox.db("2026-02-01").await, sandbox.db("2026-02-01").await);
    tokio::join!(rollup(&a), rollup(&b));
    assert_eq!(sandbox.files("rollups").len(), 10 * support::ROLLUPS);
    let (_, stats) = both(&db, MONTHLY).await;
    assert_eq!(stats.route, "rollup");
    assert_eq!(db.verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
}

#[tokio::test]
async fn one_failing_day_does_not_stop_the_others() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, 10).await;
    let broken = &sandbox.files("raw/date=2026-01-05")[0];
    let content = fs::read(broken).unwrap();
    fs::write(broken, &content[..content.len() / 2]).unwrap();
    let (mut built, mut failed) = (0, Vec::new());
    let all = RollupOptions::default();
    let done = db.rollup(&all, |report| match &report.outcome {
        Outcome::Failed(error) => failed.push((report.period, error.to_string())),
        _ => built += 1,
    });
    let done = done.await.unwrap();
    assert_eq!((built, failed.len()), (9 * support::ROLLUPS, support::ROLLUPS));
    assert_eq!((done.done, done.failures.len()), (9 * support::ROLLUPS as u64, support::ROLLUPS));
    assert_eq!(done.into_result().unwrap_err().kind(), tallybook::ErrorKind::Corrupt);
    for (period, message) in failed {
        assert_eq!(period, Period::Day(day("2026-01-05")));
        assert!(message.contains(broken.file_name().unwrap().to_str().unwrap()), "{message}");
    }
    let ran = sandbox.run(&["rollup"]).failed(5, "not a whole Parquet file");
    assert!(ran.err.contains("0 segments built, 6 failed"), "{}", ran.err);
}

#[tokio::test]
async fn a_sum_that_overflows_is_an_error_and_the_day_is_read_raw() {
    let db = db_at("memory://", "2026-02-01", tallybook::Settings::default()).await;
    append_days(&db, 9).await;
    let row = format!(
        "{{\"timestamp\":\"2026-01-05T00:00:00Z\",\"organization_id\":\"a\",\"input_tokens\":{}}}\n",
        i64::MAX
    );
    append(&db, "huge", &row.repeat(2)).await;
    let mut failed = 0;
    let all = RollupOptions::default();
    let done = db.rollup(&all, |report| {
        failed += usize::from(matches!(report.outcome, Outcome::Failed(_)));
    });
    // One rollup doesn't sum tokens.
    let summing = support::ROLLUPS - 1;
    assert_eq!((done.await.unwrap().failures.len(), failed), (summing, summing));
    let sql = "SELECT organization_id, avg(input_tokens) AS a, sum(cost) AS c FROM ai_usage_log GROUP BY 1";
    let (text, stats) = both(&db, sql).await;
    assert_eq!((stats.rollup_days, stats.raw_days), (8, 1));
    assert!(text.contains("a,9.223372036854776e18,"), "{text}");
}

#[tokio::test]
async fn verify_finds_what_differs() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-02-01").await;
    append_days(&db, 3).await;
    rollup(&db).await;
    let ran = sandbox.run(&["verify"]).ok();
    assert!(ran.out.starts_with("21 files with "), "{}", ran.out);
    // First a flipped bit in the body of a leaf, then a segment in place of another day's.
    let leaf = &sandbox.files("raw")[0];
    let content = fs::read(leaf).unwrap();
    let mut flipped = content.clone();
    flipped[content.len() / 4] ^= 1;
    fs::write(leaf, flipped).unwrap();
    let ran = sandbox.run(&["verify"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("its bytes are not those it was written with"), "{}", ran.out);
    fs::write(leaf, content).unwrap();
    let segments = sandbox.files("rollups/org_daily");
    fs::copy(&segments[0], &segments[1]).unwrap();
    let ran = sandbox.run(&["verify"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains(segments[1].file_name().unwrap().to_str().unwrap()), "{}", ran.out);
    assert!(ran.out.contains("is not the file that its name says"), "{}", ran.out);
}

#[test]
fn status_says_no_until_every_finished_day_is_served() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append"], LOG.hour(day("2026-01-05"), 12).as_bytes()).ok();
    let ran = sandbox.run(&["status"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("2026-01-05: ") && ran.out.contains("org_daily missing"),
        "{}",
        ran.out
    );
    let dry = sandbox.run(&["rollup", "--dry-run"]).ok();
    assert!(dry.out.contains("2026-01-05 org_daily: missing\n"), "{}", dry.out);
    assert!(sandbox.files("rollups").is_empty());
    let built = sandbox.run(&["rollup"]).ok();
    assert!(
        built.out.contains(" rows in, ") && built.err.contains("6 segments built"),
        "{built:?}"
    );
    assert!(sandbox.run(&["rollup"]).ok().err.contains("nothing to build"));
    let json = sandbox.run(&["status", "--format", "json"]).ok().out;
    let status: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status["days"][0]["states"][0], "current");
}

/// A coarse rollup's segments are built from a finer rollup's segments that have all they need, or
/// else from raw rows.
#[tokio::test]
async fn segments_are_the_same_bytes_whatever_they_are_made_of() {
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-06").await;
    support::append_days(&db, &LOG, "2025-12-28", 8, &[0, 23]).await;
    assert_eq!(rollup(&db).await, 8 * support::ROLLUPS);
    let contents = || -> Vec<_> {
        let files = sandbox.files("rollups").into_iter();
        files.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
    };
    let of_finer = contents();
    fs::remove_dir_all(sandbox.root().join("rollups")).unwrap();
    for rollup in db.dataset().rollups() {
        let name = rollup.name();
        let one = RollupOptions { names: vec![name.to_owned()], ..RollupOptions::default() };
        db.rollup(&one, |_| {}).await.unwrap().into_result().unwrap();
    }
    assert_eq!(of_finer.len(), 8 * support::ROLLUPS);
    assert!(of_finer == contents());
    let whole = db.verify(tallybook::Span::ALL, |_| {}).await.unwrap();
    assert_eq!(whole, None);
}
