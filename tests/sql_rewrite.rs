//! The rewrite: which queries are rewritten, which are refused, and that no answer changes.

use tallybook::{Query, Route, SampleLog, Settings, Tallybook};

use crate::support::{append, append_days, both, csv, db_at, rollup};

async fn month() -> Tallybook {
    let log = SampleLog { seed: 5, organizations: 4, rows_per_hour: 2 };
    let db = db_at("memory://", "2026-02-01", Settings::default()).await;
    append_days(&db, &log, "2026-01-01", 31, &[0, 23]).await;
    rollup(&db).await;
    db
}

#[tokio::test]
async fn these_are_answered_from_rollups() {
    let db = month().await;
    for sql in [
        "SELECT count(*) FROM ai_usage_log",
        "SELECT sum(cost), avg(cost), count(cost) FROM ai_usage_log WHERE date >= '2026-01-03'",
        "SELECT date, organization_id, sum(cost) FROM ai_usage_log GROUP BY 1, 2",
        "SELECT model, provider, max(latency_ms), avg(latency_ms) FROM ai_usage_log GROUP BY 1, 2",
        "SELECT date_trunc('week', timestamp), count(*) FROM ai_usage_log GROUP BY 1",
        "SELECT * FROM ai_usage_daily_aggregates WHERE organization_id = 'org-001' AND date > '2026-01-10'",
        "SELECT sum(total_calls) FROM ai_usage_daily_aggregates",
        "WITH m AS (SELECT model AS x, cost FROM ai_usage_log WHERE status = 'ok') SELECT upper(x), sum(cost) FROM m GROUP BY 1",
        "SELECT a.d, a.c, b.c FROM (SELECT date AS d, count(*) AS c FROM ai_usage_log GROUP BY 1) a JOIN (SELECT date AS d, sum(cost) AS c FROM ai_usage_log GROUP BY 1) b ON a.d = b.d",
        "SELECT count(*) FROM ai_usage_log WHERE timestamp >= '2026-01-02T05:00:00Z' AND timestamp < '2026-01-20T23:00:00Z' AND organization_id = 'org-000'",
        "SELECT organization_id, sum(cost) AS c, rank() OVER (ORDER BY sum(cost) DESC) AS r FROM ai_usage_log GROUP BY 1",
        "SELECT count(*) FROM ai_usage_log UNION ALL SELECT count(cost) FROM ai_usage_log",
        "SELECT (SELECT count(*) FROM ai_usage_log) AS n, 1 AS one",
        "SELECT count(*), sum(cost) FROM ai_usage_log WHERE 1 = 0",
        "SELECT date_trunc('day', timestamp - INTERVAL '6 hours'), sum(cost) FROM ai_usage_log GROUP BY 1",
        "SELECT extract(dow FROM INTERVAL '30 hours' + timestamp), count(*) FROM ai_usage_log WHERE date > '2026-01-02' GROUP BY 1",
        "SELECT date_trunc('day', timestamp AT TIME ZONE 'Europe/Berlin'), date_trunc('day', timestamp AT TIME ZONE 'Asia/Tokyo'), sum(cost) FROM ai_usage_log GROUP BY 1, 2",
        "SELECT count(*) FROM ai_usage_log a JOIN (SELECT 'org-001' AS o, 2.5 AS w) u ON a.organization_id = u.o AND length(a.organization_id) - 4.5 = u.w",
        "SELECT avg(cost), avg(CAST(cost AS DOUBLE)), avg(cost::DECIMAL(20, 12)) FROM ai_usage_log",
        "SELECT organization_id, sum(l.cost) / t.total FROM ai_usage_log l CROSS JOIN (SELECT sum(cost) AS total FROM ai_usage_log) t GROUP BY 1, t.total",
        "SELECT count(*), sum(cost), min(date) FROM (SELECT date, sum(cost) AS cost FROM ai_usage_log GROUP BY 1)",
    ] {
        let (text, stats) = both(&db, sql).await;
        assert_eq!(stats.route, "rollup", "{sql}");
        assert!(text.lines().count() > 1, "{sql}\n{text}");
    }
}

#[tokio::test]
async fn these_are_refused_with_the_reason_and_read_raw() {
    let db = month().await;
    for (sql, reason) in [
        (
            "SELECT session_id, count(*) FROM ai_usage_log GROUP BY 1",
            "org_daily: session_id is not a dimension; add it to dimensions",
        ),
        (
            "SELECT sum(time_to_first_token_ms) FROM ai_usage_log WHERE organization_id = 'a'",
            "org_hourly: sum(time_to_first_token_ms) is not stored",
        ),
        ("SELECT count(input_tokens + 1) FROM ai_usage_log", "is over an expression"),
        (
            "SELECT date_trunc('day', timestamp - INTERVAL '30 minutes'), count(*) FROM ai_usage_log GROUP BY 1",
            "its grain is hour, use a finer one",
        ),
        (
            "SELECT date_trunc('minute', timestamp), count(*) FROM ai_usage_log GROUP BY 1",
            "its grain is hour, use a finer one",
        ),
        (
            "SELECT date_trunc('day', timestamp AT TIME ZONE 'Asia/Kathmandu'), count(*) FROM ai_usage_log GROUP BY 1",
            "local time in Asia/Kathmandu cuts through its buckets; its grain is hour",
        ),
        (
            "SELECT extract(hour FROM timestamp AT TIME ZONE '+05:30'), count(*) FROM ai_usage_log GROUP BY 1",
            "local time in +05:30 cuts through its buckets",
        ),
        (
            "SELECT count(*) FROM ai_usage_log l JOIN ai_usage_log r ON l.request_id = r.request_id",
            "raw rows joined with raw rows",
        ),
        ("SELECT count(DISTINCT session_id) FROM ai_usage_log", "session_id is not a dimension"),
        ("SELECT median(cost) FROM ai_usage_log", "can't be merged from parts"),
        ("SELECT count(*) FROM ai_usage_log WHERE random() < 2", "differs from call to call"),
        (
            "SELECT count(*) FROM (SELECT * FROM ai_usage_log LIMIT 10)",
            "Limit between the aggregate and the raw table",
        ),
        ("SELECT avg(DISTINCT latency_ms) FROM ai_usage_log", "can't be merged from parts"),
        (
            "SELECT sum(CAST(latency_ms AS DOUBLE)) FROM ai_usage_log",
            "whose last digits depend on the order",
        ),
        ("SELECT count(*) FROM ai_usage_log WHERE date >= '2026-01-30'", "the span"),
        (
            "SELECT count(*) FROM ai_usage_log WHERE date BETWEEN '2026-01-01' AND '2026-01-07'",
            "the span of 7 days is not over 7",
        ),
        ("SELECT model FROM ai_usage_log LIMIT 1", "asks for raw rows"),
    ] {
        if reason != "the span" {
            let why = db.explain(&Query::sql(sql)).await.unwrap().to_string();
            assert!(why.contains(reason), "{sql}\n{why}");
            assert!(why.starts_with("route: raw"), "{sql}\n{why}");
            let forced = db.query(&Query::sql(sql).by_route(Route::Rollup)).await;
            if !reason.contains("span") {
                let error = forced.unwrap_err();
                assert!(error.to_string().contains(reason), "{sql}\n{error}");
            }
        }
        if !sql.contains("random") && !sql.contains("LIMIT 1") {
            both(&db, sql).await;
        }
    }
}

#[tokio::test]
async fn the_threshold_is_over_seven_days_and_never_changes_an_answer() {
    let db = month().await;
    let sql = |to: &str| {
        format!(
            "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log WHERE timestamp >= '2026-01-01T00:00:00Z' AND timestamp < '{to}'"
        )
    };
    let (_, seven) = both(&db, &sql("2026-01-08T00:00:00Z")).await;
    assert_eq!(seven.route, "raw");
    let (_, more) = both(&db, &sql("2026-01-09T00:00:00Z")).await;
    assert_eq!((more.route, more.rollup_days), ("rollup", 8));
    // The first half hour of the last day is read raw. The day's other rows don't count.
    let (_, ragged) = both(&db, &sql("2026-01-09T00:30:00Z")).await;
    assert_eq!((ragged.route, ragged.rollup_days, ragged.raw_days), ("mixed", 8, 1));
}

#[tokio::test]
async fn counts_of_nulls_and_of_nothing() {
    let db = db_at("memory://", "2026-02-01", Settings::default()).await;
    let mut rows = String::new();
    for day in 1..=9 {
        for row in ["", ",\"cost\":1", ",\"cost\":null,\"model\":\"m\""] {
            rows += &format!(
                "{{\"timestamp\":\"2026-01-0{day}T00:00:00Z\",\"organization_id\":\"a\"{row}}}\n"
            );
        }
    }
    append(&db, "b", &rows).await;
    rollup(&db).await;
    let columns =
        "count(*) AS n, count(cost) AS c, sum(cost) AS s, avg(cost) AS a, avg(input_tokens) AS i";
    let (text, stats) = both(&db, &format!("SELECT {columns} FROM ai_usage_log")).await;
    assert_eq!(text, "n,c,s,a,i\n27,9,9.000000000000,1.0000000000000000,\n");
    assert_eq!(stats.route, "rollup");
    let (text, _) =
        both(&db, &format!("SELECT model, {columns} FROM ai_usage_log GROUP BY 1")).await;
    assert_eq!(text, "model,n,c,s,a,i\nm,9,0,,,\n,18,9,9.000000000000,1.0000000000000000,\n");
    let nothing = "FROM ai_usage_log WHERE organization_id = 'nobody'";
    let (text, _) = both(&db, &format!("SELECT {columns} {nothing}")).await;
    assert_eq!(text, "n,c,s,a,i\n0,0,,,\n");
    let (text, _) = both(&db, &format!("SELECT date, {columns} {nothing} GROUP BY 1")).await;
    assert_eq!(text, "date,n,c,s,a,i\n");
    let (text, _) =
        both(&db, &format!("SELECT {columns} FROM ai_usage_log WHERE date > '2030-01-01'")).await;
    assert_eq!(text, "n,c,s,a,i\n0,0,,,\n");
}

/// Tallybook's average of decimals equals DataFusion's: the sum divided once by the count, cut off
/// at four more digits.
#[tokio::test]
async fn averages_are_those_of_the_engine() {
    let db = month().await;
    let (ours, _) = both(
        &db,
        "SELECT model, avg(cost) AS a, avg(input_tokens) AS i FROM ai_usage_log GROUP BY 1",
    )
    .await;
    // `DISTINCT` keeps DataFusion's own avg; the request id makes every row distinct.
    let (rows, _) =
        csv(&db, "SELECT model, cost, input_tokens FROM ai_usage_log", Route::Raw).await;
    let mut sums = std::collections::BTreeMap::<&str, (i128, i128, f64, f64)>::new();
    for line in rows.lines().skip(1) {
        let mut cells = line.split(',');
        let sum = sums.entry(cells.next().unwrap()).or_default();
        let cost: String = cells.next().unwrap().replace('.', "");
        if let Ok(cost) = cost.parse::<i128>() {
            sum.0 += cost;
            sum.1 += 1;
        }
        sum.2 += cells.next().unwrap().parse::<f64>().unwrap();
        sum.3 += 1.0;
    }
    for line in ours.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        let (cost, costs, input, inputs) = sums[cells[0]];
        if costs > 0 {
            let average = cells[1].replace('.', "").parse::<i128>().unwrap();
            assert_eq!(average, cost * 10_000 / costs, "{line}");
        }
        assert!((cells[2].parse::<f64>().unwrap() - input / inputs).abs() < 1e-9, "{line}");
    }
}

#[tokio::test]
async fn order_and_limit_do_not_show_the_route() {
    let db = db_at("memory://", "2026-02-01", Settings::default()).await;
    let mut rows = String::new();
    for day in 1..=9 {
        for organization in 0..50 {
            rows += &format!(
                "{{\"timestamp\":\"2026-01-0{day}T00:00:00Z\",\"organization_id\":\"o{organization}\",\"cost\":1}}\n"
            );
        }
    }
    append(&db, "b", &rows).await;
    rollup(&db).await;
    for sql in [
        "SELECT organization_id, sum(cost) AS c FROM ai_usage_log GROUP BY 1 ORDER BY c DESC LIMIT 3",
        "SELECT organization_id, sum(cost) AS c FROM ai_usage_log GROUP BY 1 LIMIT 3",
        "SELECT organization_id, sum(cost) AS c FROM ai_usage_log GROUP BY 1",
    ] {
        let (text, _) = both(&db, sql).await;
        assert!(text.starts_with("organization_id,c\no0,9.000000000000\no1,"), "{sql}\n{text}");
    }
}

#[tokio::test]
async fn grouping_sets_of_a_constant_are_ordered() {
    let db = month().await;
    let sql = "SELECT organization_id, count(*) AS n FROM ai_usage_log WHERE organization_id = 'org-001' GROUP BY ROLLUP (organization_id)";
    for (order, first) in [("", "org-001,"), (" ORDER BY organization_id DESC NULLS FIRST", ",")] {
        let (text, _) = both(&db, &format!("{sql}{order}")).await;
        assert!(text.lines().nth(1).unwrap().starts_with(first), "{text}");
    }
}

#[tokio::test]
async fn questions_change_nothing() {
    let db = month().await;
    for sql in [
        "CREATE TABLE x AS SELECT 1",
        "DROP TABLE ai_usage_log",
        "INSERT INTO ai_usage_log SELECT * FROM ai_usage_log",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "SET datafusion.execution.time_zone = 'Europe/Berlin'",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x.csv'",
        "SELECT * FROM '/etc/passwd'",
        "SELECT 1; SELECT 2",
        "",
    ] {
        let error = db.query(&Query::sql(sql)).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), tallybook::ErrorKind::Invalid, "{sql}: {error}");
    }
}
