//! The cache of rollup columns: the next query reads no file, and still sees the root as it is.

use std::fs;

use tallybook::{Query, Route, SampleLog, Settings, Tallybook};

use crate::support::{Sandbox, answer, append, append_days, csv, db_with, rollup};

const QUESTIONS: [&str; 4] = [
    "SELECT sum(cost) AS c, count(*) AS n FROM ai_usage_log WHERE organization_id = 'org-001'",
    "SELECT organization_id, sum(cost) AS c FROM ai_usage_log WHERE organization_id IN ('org-003', 'none', 'org-000') GROUP BY 1 ORDER BY 1",
    "SELECT model, count(*) AS n FROM ai_usage_log GROUP BY 1 ORDER BY 1",
    "SELECT count(*) AS n FROM ai_usage_log",
];

async fn three_weeks(sandbox: &Sandbox, segment_cache_bytes: usize) -> Tallybook {
    let settings = Settings { segment_cache_bytes, ..Settings::default() };
    let location = sandbox.root();
    let definition = tallybook::DEFAULT_DEFINITION;
    let db = db_with(location.to_str().unwrap(), definition, "2026-02-01", settings).await;
    let log = SampleLog { seed: 3, organizations: 5, rows_per_hour: 20 };
    append_days(&db, &log, "2026-01-01", 21, &[7]).await;
    rollup(&db).await;
    db
}

#[tokio::test]
async fn the_second_question_reads_no_file() {
    let sandbox = Sandbox::new();
    let db = three_weeks(&sandbox, 64 << 20).await;
    for sql in QUESTIONS {
        let (first, cold) = csv(&db, sql, Route::Rollup).await;
        let (second, warm) = csv(&db, sql, Route::Rollup).await;
        assert_eq!(first, second);
        assert_eq!(first, csv(&db, sql, Route::Raw).await.0, "{sql}");
        assert_eq!(warm.bytes, 0, "{sql}: {warm:?}");
        assert_eq!((cold.rows_scanned, cold.files), (warm.rows_scanned, warm.files), "{sql}");
        assert!(warm.requests < cold.requests || cold.bytes == 0, "{sql}: {cold:?} {warm:?}");
    }
    let (_, stats) = csv(&db, QUESTIONS[0], Route::Rollup).await;
    assert!(stats.rows_scanned <= 21, "one organization is one row of a day: {stats:?}");
}

#[tokio::test]
async fn with_little_room_or_none_the_answers_are_the_same() {
    let (roomy, none) = (Sandbox::new(), Sandbox::new());
    let expected = three_weeks(&roomy, 64 << 20).await;
    // Memory for the columns of one query at a time, and for none.
    for budget in [3 << 20, 0] {
        let db = three_weeks(&none, budget).await;
        for sql in QUESTIONS.iter().chain(&QUESTIONS) {
            let query = Query::sql(*sql).by_route(Route::Rollup);
            assert_eq!(answer(&db, &query).await.0, answer(&expected, &query).await.0);
        }
    }
}

#[tokio::test]
async fn a_changed_root_changes_the_answer_at_once() {
    let sandbox = Sandbox::new();
    let db = three_weeks(&sandbox, 64 << 20).await;
    let total = "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log";
    let (before, _) = csv(&db, total, Route::Rollup).await;
    for file in sandbox.files("rollups") {
        if file.to_str().unwrap().contains("2026-01-05") {
            fs::remove_file(file).unwrap();
        }
    }
    let (gone, stats) = csv(&db, total, Route::Auto).await;
    assert_eq!((gone, stats.route, stats.raw_days), (before.clone(), "mixed", 1));
    rollup(&db).await;
    let (rebuilt, stats) = csv(&db, total, Route::Auto).await;
    assert_eq!((rebuilt, stats.route), (before.clone(), "rollup"));
    let late =
        "{\"timestamp\":\"2026-01-05T00:00:00Z\",\"organizationId\":\"late\",\"cost\":\"1\"}\n";
    append(&db, "late", late).await;
    let (after, stats) = csv(&db, total, Route::Auto).await;
    assert_eq!((stats.route, stats.raw_days), ("mixed", 1));
    assert_ne!(after, before);
    assert_eq!(after, csv(&db, total, Route::Raw).await.0);
}
