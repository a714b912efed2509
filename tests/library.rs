//! The library: in a caller's session, and as a stream.

use std::sync::Arc;

use futures::TryStreamExt as _;
use tallybook::{
    AppendOptions, BatchId, ErrorKind, Query, Route, SampleLog, Settings, Tallybook,
    datafusion::{arrow::util::pretty::pretty_format_batches, prelude::SessionContext},
};

use crate::support::{append, append_days, csv, db_at, rollup};

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
    let answer = db.query(&Query::sql(sql).by_route(Route::Raw)).await.unwrap();
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
        // Queries whose meaning DataFusion's own rules would change.
        "SELECT count(*) FROM ai_usage_log WHERE CAST(cost * 1000 AS BIGINT) = 1",
        "SELECT count(*) FROM ai_usage_log WHERE timestamp < '2026-01-05T00:00:00.0000005Z'",
        "SELECT count(*) FROM ai_usage_log WHERE organization_id NOT IN (CAST(NULL AS TEXT))",
    ] {
        assert_eq!(table(&session, sql).await, raw(&db, sql).await, "{sql}");
    }
    let plan = table(&session, "EXPLAIN SELECT count(*) FROM ai_usage_log").await;
    assert!(plan.contains("TableScan: ") && plan.contains("_daily"), "{plan}");
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
    // The session itself runs the statement around the query.
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

#[tokio::test]
async fn record_batches_are_appended_with_the_checks_of_files() {
    let session = SessionContext::new();
    let rows = "SELECT TIMESTAMP '2026-01-05 10:00:00' AS timestamp, 'acme' AS organization_id, \
                CAST(value AS BIGINT) AS input_tokens, 0.25 AS cost FROM generate_series(1, 20000)";
    let stream = session.sql(rows).await.unwrap().execute_stream().await.unwrap();
    let db = db_at("memory://", "2026-01-20", Settings::default()).await;
    let options = || AppendOptions {
        batch: Some(BatchId::try_new("b").unwrap()),
        ..AppendOptions::default()
    };
    let report = db.append_batches(stream, options()).await.unwrap();
    assert_eq!((report.rows, report.days.len()), (20_000, 1));
    let sql = "SELECT organization_id, sum(input_tokens) AS t, sum(cost) AS c FROM ai_usage_log GROUP BY 1";
    let (text, _) = csv(&db, sql, Route::Raw).await;
    assert_eq!(text, "organization_id,t,c\nacme,200010000,5000.000000000000\n");
    // The same rows under the same id change nothing.
    let stream = session.sql(rows).await.unwrap().execute_stream().await.unwrap();
    assert_eq!(db.append_batches(stream, options()).await.unwrap().leaves_new, 0);
    let bad = "SELECT TIMESTAMP '1999-01-01 00:00:00' AS timestamp, 'a' AS organization_id";
    let stream = session.sql(bad).await.unwrap().execute_stream().await.unwrap();
    let error = db.append_batches(stream, AppendOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("1999-01-01 is outside"), "{error}");
    let nameless = session.sql("SELECT 1 AS x").await.unwrap().execute_stream().await.unwrap();
    let error = db.append_batches(nameless, AppendOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains("there is no field for `timestamp`"), "{error}");
}

#[tokio::test]
async fn a_night_builds_compacts_and_deletes() {
    let db = month().await;
    let mut told = 0;
    let night = db.nightly(|_| told += 1).await.into_result().unwrap();
    assert_eq!((night.built, night.compacted, night.deleted), (0, 0, 0));
    append(&db, "late", "{\"timestamp\":\"2026-01-05T10:00:00Z\",\"organization_id\":\"acme\"}\n")
        .await;
    let night = db.nightly(|_| told += 1).await.into_result().unwrap();
    let rollups = db.dataset().rollups().len();
    assert_eq!((night.built, told), (rollups as u64, rollups));
    assert!(db.status().await.unwrap().is_current());
}
