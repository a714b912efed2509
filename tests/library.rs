//! The library: in a session of somebody else's, and as a stream.

use std::sync::Arc;

use futures::TryStreamExt as _;
use tallybook::{
    ErrorKind, Query, Route, SampleLog, Settings, Tallybook,
    datafusion::{arrow::util::pretty::pretty_format_batches, prelude::SessionContext},
};

use crate::support::{append, append_days, db_at, rollup};

async fn month() -> Arc<Tallybook> {
    let db = db_at("memory://", "2026-02-01", Settings::default()).await;
    let log = SampleLog { seed: 3, organizations: 3, rows_per_hour: 4 };
    append_days(&db, &log, "2026-01-01", 31, &[12]).await;
    rollup(&db).await;
    Arc::new(db)
}

async fn table(session: &SessionContext, sql: &str) -> String {
    let rows = session.sql(sql).await.unwrap().collect().await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}\n{error}"));
    pretty_format_batches(&rows).unwrap().to_string()
}

async fn raw(db: &Tallybook, sql: &str) -> String {
    let answer = db.ask(&Query::sql(sql).by_route(Route::Raw)).await.unwrap();
    pretty_format_batches(&answer.collect().await.unwrap().0).unwrap().to_string()
}

#[tokio::test]
async fn a_session_of_ones_own_asks_like_ours() {
    let db = month().await;
    let session = SessionContext::new();
    db.register(&session).await.unwrap();
    for sql in [
        "SELECT organization_id, sum(cost), avg(input_tokens), count(*) FROM ai_usage_log GROUP BY 1",
        "SELECT date, count(DISTINCT model) FROM ai_usage_log WHERE date > '2026-01-10' GROUP BY 1",
        "SELECT * FROM ai_usage_daily_aggregates ORDER BY date, organization_id LIMIT 5",
        "SELECT count(*) FROM ai_usage_log a JOIN ai_usage_log b USING (request_id)",
        "SELECT approx_distinct(user_id) FROM ai_usage_log",
        "SELECT model FROM ai_usage_log ORDER BY timestamp, request_id LIMIT 3",
        "SELECT (SELECT count(*) FROM ai_usage_log) + 1 AS n",
        // Meanings that DataFusion's own rules lose.
        "SELECT count(*) FROM ai_usage_log WHERE CAST(cost * 1000 AS BIGINT) = 1",
        "SELECT count(*) FROM ai_usage_log WHERE timestamp < '2026-01-05T00:00:00.0000005Z'",
        "SELECT count(*) FROM ai_usage_log WHERE organization_id NOT IN (CAST(NULL AS TEXT))",
    ] {
        assert_eq!(table(&session, sql).await, raw(&db, sql).await, "{sql}");
    }
    let plan = table(&session, "EXPLAIN SELECT count(*) FROM ai_usage_log").await;
    assert!(plan.contains("TableScan: org_daily"), "{plan}");
}

#[tokio::test]
async fn each_execution_sees_the_root_as_it_is() {
    let db = month().await;
    let session = SessionContext::new();
    db.register(&session).await.unwrap();
    session.sql("CREATE TABLE plans AS VALUES ('org-001', 'pro')").await.unwrap();
    let sql = "SELECT column2 AS plan, count(*) AS n FROM ai_usage_log JOIN plans ON column1 = organization_id GROUP BY 1";
    let prepared = session.sql(sql).await.unwrap();
    let before = prepared.clone().collect().await.unwrap();
    let late = r#"{"timestamp":"2026-01-05T00:00:00Z","organization_id":"org-001"}"#;
    append(&db, "late", late).await;
    let after = prepared.collect().await.unwrap();
    let count = |rows: &[arrow::array::RecordBatch]| {
        let column = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(
            rows[0].column(1).as_ref(),
        );
        column.value(0)
    };
    assert_eq!(count(&after), count(&before) + 1);
    // What is done with an answer is the session's business.
    session.sql("CREATE TABLE kept AS SELECT count(*) AS n FROM ai_usage_log").await.unwrap();
    assert_eq!(
        table(&session, "SELECT n FROM kept").await,
        raw(&db, "SELECT count(*) AS n FROM ai_usage_log").await
    );
}

#[tokio::test]
async fn a_session_holds_one_and_its_tables_stay() {
    let db = month().await;
    let session = SessionContext::new();
    db.register(&session).await.unwrap();
    assert_eq!(db.register(&session).await.unwrap_err().kind(), ErrorKind::Conflict);
    let taken = SessionContext::new();
    taken.sql("CREATE TABLE ai_usage_log AS VALUES (1)").await.unwrap();
    assert_eq!(db.register(&taken).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(table(&taken, "SELECT count(*) FROM ai_usage_log").await.contains('1'));
}

#[tokio::test]
async fn an_answer_is_a_stream() {
    let db = month().await;
    let answer = db.sql("SELECT date, count(*) FROM ai_usage_log GROUP BY 1").await.unwrap();
    let batches: Vec<_> = answer.into_stream().try_collect().await.unwrap();
    assert_eq!(batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 31);
}
