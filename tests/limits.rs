//! Limits: exceeding one is an error of kind `Limit`, and the next query is answered.

use std::time::Duration;

use tallybook::{ErrorKind, Query, SampleLog, Settings};

use crate::support::{Sandbox, append, day, db_at, try_answer};

const LOG: SampleLog = SampleLog { seed: 8, organizations: 5, rows_per_hour: 40 };
const ALL: &str = "SELECT count(*) AS n FROM ai_usage_log";
/// A query over all combinations of four rows: it runs longer than anyone waits.
const ENDLESS: &str = "SELECT count(*) AS n FROM ai_usage_log a, ai_usage_log b, ai_usage_log c, \
                       ai_usage_log d WHERE a.cost < b.cost AND c.cost < d.cost AND a.cost < d.cost";

async fn log(sandbox: &Sandbox, settings: Settings) -> tallybook::Tallybook {
    let db = db_at(sandbox.root().to_str().unwrap(), "2026-02-01", settings).await;
    for hour in 0..20 {
        append(&db, &format!("{hour}"), &LOG.hour(day("2026-01-05"), hour)).await;
    }
    db
}

async fn limited(db: &tallybook::Tallybook, sql: &str, words: &str) {
    let error = try_answer(db, &Query::sql(sql)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    try_answer(db, &Query::sql(ALL)).await.unwrap();
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_dropped() {
    let sandbox = Sandbox::new();
    // Long enough to plan a small query on a busy machine.
    let query_timeout = Some(Duration::from_secs(3));
    let db = log(&sandbox, Settings { query_timeout, ..Settings::default() }).await;
    limited(&db, ENDLESS, "longer than 3s").await;
}

#[tokio::test]
async fn an_answer_with_too_many_rows_is_not_cut_short() {
    let sandbox = Sandbox::new();
    let db = log(&sandbox, Settings { max_result_rows: Some(5), ..Settings::default() }).await;
    limited(&db, "SELECT cost FROM ai_usage_log", "more than 5 rows").await;
    let five = "SELECT organization_id, count(*) AS n FROM ai_usage_log GROUP BY 1 ORDER BY 1";
    let (rows, _) = try_answer(&db, &Query::sql(five)).await.unwrap();
    assert_eq!(rows.lines().count(), 6, "{rows}");
}

#[tokio::test]
async fn with_little_memory_sorts_spill_and_what_cannot_is_refused() {
    let sandbox = Sandbox::new();
    let roomy = log(&sandbox, Settings::default()).await;
    let settings = Settings { memory_bytes: 12 << 20, streams: 1, ..Settings::default() };
    let tight = db_at(sandbox.root().to_str().unwrap(), "2026-02-01", settings).await;
    let pairs = "FROM ai_usage_log a, ai_usage_log b WHERE a.organization_id = 'org-000'";
    let sorted = format!("SELECT a.request_id, b.cost, b.latency_ms {pairs} ORDER BY 2, 3, 1");
    let expected = try_answer(&roomy, &Query::sql(&sorted)).await.unwrap().0;
    assert_eq!(try_answer(&tight, &Query::sql(&sorted)).await.unwrap().0, expected);
    assert!(expected.lines().count() > 100_000, "enough to spill: {}", expected.lines().count());
    let held = "SELECT median(a.cost + b.cost) AS m FROM ai_usage_log a, ai_usage_log b";
    limited(&tight, held, "exhausted").await;
}

#[tokio::test]
async fn no_more_questions_are_answered_at_once_than_may_be() {
    let sandbox = Sandbox::new();
    let db = log(&sandbox, Settings { max_queries: Some(2), ..Settings::default() }).await;
    let rows = Query::sql("SELECT cost FROM ai_usage_log");
    let (first, mut second) = (db.query(&rows).await.unwrap(), db.query(&rows).await.unwrap());
    let error = db.query(&rows).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().starts_with("2 queries are being answered"), "{error}");
    drop(first);
    let third = db.query(&rows).await.unwrap();
    while second.next().await.unwrap().is_some() {}
    // An answer that was read to its end holds no permit.
    try_answer(&db, &Query::sql(ALL)).await.unwrap();
    drop(third);
}

#[tokio::test]
async fn the_command_line_ends_with_8() {
    let sandbox = Sandbox::new();
    log(&sandbox, Settings::default()).await;
    sandbox.run(&["query", ENDLESS, "--timeout", "300ms"]).failed(8, "longer than 300ms");
    sandbox
        .run(&["query", "SELECT cost FROM ai_usage_log", "--max-rows", "5", "--format", "csv"])
        .failed(8, "more than 5 rows; group them, or add a LIMIT");
    sandbox.run(&["query", ALL, "--max-scan-bytes", "10"]).failed(8, "the limit of 10");
    sandbox.run(&["query", ALL, "--timeout", "soon"]).failed(2, "--timeout");
    sandbox.run(&["query", ALL, "--timeout", "1h", "--max-rows", "1", "--memory", "64MB"]).ok();
}
