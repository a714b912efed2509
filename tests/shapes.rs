//! Every shape of query that the rewrite accepts, by rule. Rollups with holes and late rows give
//! the same answer as raw rows.

use std::collections::BTreeSet;

use tallybook::{Query, Route, SampleLog, Settings, Tallybook};

use crate::support::{Sandbox, append, both, csv, day, db_with, rollup};

/// The default dataset with more measures, measures of expressions, a rollup by quarter hours, and
/// a rollup of only some rows.
pub(crate) fn rich_definition() -> String {
    let more = r#"
[[rollup]]
name = "model_quarters"
grain = "15 minutes"
dimensions = ["model", "status"]
measures = [
  "count(*) as calls",
  "sum(cost) as cost",
  "min(latency_ms) as fastest",
  "max(latency_ms) as slowest",
  "avg(latency_ms) as latency",
  "stddev_samp(latency_ms) as latency_spread",
  "var_pop(cost) as cost_variance",
  "bit_or(output_tokens) as bits",
  "bit_and(output_tokens) as common_bits",
  "approx_distinct(user_id) as users",
  "approx_percentile(latency_ms, 0.95) as latency_p95",
]

[[rollup]]
name = "paid_errors"
grain = "day"
dimensions = ["user_id", "model"]
filter = "status = 'error' AND cost > 0"
table = "paid_errors"
measures = [
  "count(*) as calls",
  "sum(cost) as cost",
  "avg(input_tokens + output_tokens) as tokens",
  "sum(cost * input_tokens) as weighted",
  "min(nullif(latency_ms, 0)) as fastest",
  "count(nullif(latency_ms, 0)) as timed",
]
"#;
    format!("{}{more}", tallybook::DEFAULT_DEFINITION)
}

/// A root of six weeks, with two days that no segment serves, and a late batch.
async fn six_weeks(sandbox: &Sandbox) -> Tallybook {
    let location = sandbox.root();
    let db =
        db_with(location.to_str().unwrap(), &rich_definition(), "2026-03-01", Settings::default())
            .await;
    let log = SampleLog { seed: 8, organizations: 5, rows_per_hour: 3 };
    for offset in 0..42 {
        let day = day("2026-01-01").plus(offset);
        if offset != 11 {
            let hours = [0, 9, 17, 23].map(|hour| log.hour(day, hour));
            append(&db, &format!("{day}"), &hours.concat()).await;
        }
    }
    rollup(&db).await;
    let late = "{\"timestamp\":\"2026-01-20T23:59:59.999999Z\",\"organizationId\":\"late\",\"cost\":\"0.000000000001\",\"model\":\"m\"}\n\
                {\"timestamp\":\"2026-01-20T12:00:00Z\",\"organizationId\":\"org-001\",\"latency_ms\":7,\"userId\":\"nobody\"}\n";
    append(&db, "late", late).await;
    for file in sandbox.files("rollups") {
        let name = file.to_str().unwrap();
        if ["2026-01-08", "2026-02-02"].iter().any(|date| name.contains(date)) {
            std::fs::remove_file(file).unwrap();
        }
    }
    let plans = sandbox.write(
        "plans.csv",
        "organization_id,plan,seats,rate\norg-000,pro,10,1.5\norg-001,free,1,0.1\norg-001,trial,2,0.2\nelsewhere,pro,3,9.9\n",
    );
    db.register_file("plans", &plans).await.unwrap();
    let units = sandbox.write("units.csv", "model,factor\nclaude-sonnet-4-5,2\ngpt-5,3\n,5\n");
    db.register_file("units", &units).await.unwrap();
    db
}

/// Queries by the rule that they test. The numbers are those in the rewrite's own files.
const REWRITTEN: &[(&str, &str)] = &[
    (
        "W1 derived table",
        "SELECT m, sum(c) FROM (SELECT model AS m, cost AS c FROM ai_usage_log WHERE status = 'ok') GROUP BY 1",
    ),
    (
        "W1 CTE used twice",
        "WITH d AS (SELECT date AS d, sum(cost) AS c FROM ai_usage_log GROUP BY 1) SELECT a.d, a.c - b.c FROM d a JOIN d b ON a.d = b.d + 1",
    ),
    (
        "W1 scalar subquery",
        "SELECT organization_id, sum(cost) / (SELECT sum(cost) FROM ai_usage_log) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "W1 union of two",
        "SELECT 'a' AS k, count(*) AS n FROM ai_usage_log UNION ALL SELECT model, sum(input_tokens) FROM ai_usage_log GROUP BY model",
    ),
    (
        "W1 nested aggregate",
        "SELECT max(n), avg(n) FROM (SELECT date, count(*) AS n FROM ai_usage_log GROUP BY 1)",
    ),
    (
        "W2 inner join",
        "SELECT plan, sum(cost), count(*), avg(input_tokens) FROM ai_usage_log l JOIN plans p ON l.organization_id = p.organization_id GROUP BY 1",
    ),
    (
        "W2 comma join",
        "SELECT plan, count(cost) FROM ai_usage_log l, plans p WHERE l.organization_id = p.organization_id AND seats < 10 GROUP BY 1",
    ),
    (
        "W2 left join",
        "SELECT coalesce(plan, 'none') AS plan, sum(cost), count(*), count(plan), sum(seats) FROM ai_usage_log l LEFT JOIN plans p ON l.organization_id = p.organization_id GROUP BY 1",
    ),
    (
        "W2 right join from the other side",
        "SELECT plan, count(*) FROM plans p RIGHT JOIN ai_usage_log l ON l.organization_id = p.organization_id GROUP BY 1",
    ),
    (
        "W2 join using",
        "SELECT plan, max(date) FROM ai_usage_log JOIN plans USING (organization_id) GROUP BY 1",
    ),
    (
        "W2 two joins",
        "SELECT plan, factor, count(*) FROM ai_usage_log l JOIN plans p ON l.organization_id = p.organization_id LEFT JOIN units u ON l.model = u.model GROUP BY 1, 2",
    ),
    (
        "W2 join on inequality",
        "SELECT plan, count(*) FROM ai_usage_log l JOIN plans p ON l.organization_id >= p.organization_id AND seats > 1 GROUP BY 1",
    ),
    (
        "W2 cross join",
        "SELECT plan, count(*), sum(cost) FROM ai_usage_log CROSS JOIN plans GROUP BY 1",
    ),
    (
        "W2 semi join",
        "SELECT count(*), sum(cost) FROM ai_usage_log WHERE organization_id IN (SELECT organization_id FROM plans WHERE plan = 'pro')",
    ),
    (
        "W2 anti join",
        "SELECT organization_id, count(*) FROM ai_usage_log l WHERE NOT EXISTS (SELECT 1 FROM plans p WHERE p.organization_id = l.organization_id) GROUP BY 1",
    ),
    (
        "W2 null-aware anti join",
        "SELECT count(*) FROM ai_usage_log WHERE model NOT IN (SELECT model FROM units WHERE model IS NOT NULL)",
    ),
    (
        "W2 semi join with an aggregate of raw",
        "SELECT date, count(*) FROM ai_usage_log WHERE organization_id IN (SELECT organization_id FROM ai_usage_log GROUP BY 1 HAVING sum(cost) > 0.5) GROUP BY 1",
    ),
    (
        "W4 self-join of aggregates",
        "SELECT a.organization_id, a.n, b.n FROM (SELECT organization_id, count(*) AS n FROM ai_usage_log WHERE date < '2026-01-20' GROUP BY 1) a FULL JOIN (SELECT organization_id, count(*) AS n FROM ai_usage_log WHERE date >= '2026-01-15' GROUP BY 1) b ON a.organization_id = b.organization_id",
    ),
    ("R1 constant and ordinal", "SELECT 1, model, count(*) FROM ai_usage_log GROUP BY 1, 2"),
    (
        "R1 expression",
        "SELECT upper(model) || ':' || coalesce(status, '?'), count(*) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R1 rollup",
        "SELECT model, status, grouping(model), sum(cost) FROM ai_usage_log GROUP BY ROLLUP (model, status)",
    ),
    (
        "R1 cube",
        "SELECT model, operation, count(*), avg(cost) FROM ai_usage_log GROUP BY CUBE (model, operation)",
    ),
    (
        "R1 grouping sets",
        "SELECT date, organization_id, sum(cost), count(DISTINCT organization_id) FROM ai_usage_log GROUP BY GROUPING SETS ((date), (organization_id), ())",
    ),
    (
        "R3 LIKE, CASE, IN, OR over dimensions",
        "SELECT count(*) FROM ai_usage_log WHERE model LIKE '%5%' OR status IN ('ok', 'error') OR CASE WHEN operation = 'chat' THEN true ELSE false END",
    ),
    ("R3 always true, but for NULL", "SELECT count(*) FROM ai_usage_log WHERE model = model"),
    (
        "R3 IS NOT DISTINCT FROM",
        "SELECT count(*) FROM ai_usage_log WHERE model IS NOT DISTINCT FROM NULL",
    ),
    (
        "R2 the rollup's own filter",
        "SELECT user_id, count(*), sum(cost) FROM ai_usage_log WHERE status = 'error' AND cost > 0 GROUP BY 1",
    ),
    (
        "R2 a tighter bound, in another order",
        "SELECT user_id, count(*) FROM ai_usage_log WHERE 0 < cost AND model LIKE 'g%' AND 'error' = status GROUP BY 1",
    ),
    (
        "R2 few values",
        "SELECT user_id, count(*) FROM ai_usage_log WHERE status IN ('error') AND cost > 0 AND user_id IN ('user-1', 'user-2') GROUP BY 1",
    ),
    (
        "R2 a derived table's filter",
        "SELECT user_id, sum(c) FROM (SELECT user_id, cost AS c FROM ai_usage_log WHERE status = 'error') WHERE c > 0 GROUP BY 1",
    ),
    ("R2 its readable table", "SELECT * FROM paid_errors"),
    (
        "R4 sum of an expression",
        "SELECT user_id, sum(output_tokens + input_tokens), sum(input_tokens * cost) FROM ai_usage_log WHERE status = 'error' AND cost > 0 GROUP BY 1",
    ),
    (
        "R4 of an expression, in a CASE, times a factor, or zero",
        "SELECT sum(CASE WHEN model LIKE 'g%' THEN input_tokens + output_tokens END), sum((input_tokens + output_tokens) * 2), sum(coalesce(input_tokens + output_tokens, 0)), min(nullif(latency_ms, 0)), count(nullif(latency_ms, 0)) FROM ai_usage_log WHERE status = 'error' AND cost > 0",
    ),
    (
        "R4 through aliases",
        "SELECT sum(x), sum(y) FROM (SELECT c AS x, t AS y FROM (SELECT cost AS c, input_tokens AS t FROM ai_usage_log))",
    ),
    (
        "R4 product with a dimension's factor",
        "SELECT sum(cost * factor), sum(factor * input_tokens), sum(factor) FROM ai_usage_log l JOIN units u ON l.model = u.model",
    ),
    (
        "R4 product with a number",
        "SELECT organization_id, sum(cost * 1.19), sum(2 * output_tokens) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R4 widening cast",
        "SELECT sum(CAST(cost AS DECIMAL(30, 14))), sum(CAST(input_tokens AS DECIMAL(25, 2))) FROM ai_usage_log",
    ),
    (
        "R6 week, month, quarter, year",
        "SELECT date_trunc('week', timestamp), date_trunc('month', timestamp), date_trunc('quarter', timestamp), date_trunc('year', timestamp), count(*) FROM ai_usage_log GROUP BY 1, 2, 3, 4",
    ),
    (
        "R6 month of day",
        "SELECT date_trunc('month', date_trunc('day', timestamp)), count(*) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R6 hour",
        "SELECT date_trunc('hour', timestamp), organization_id, count(*) FROM ai_usage_log GROUP BY 1, 2",
    ),
    (
        "R6 date_bin",
        "SELECT date_bin(INTERVAL '6 hours', timestamp), count(*) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R6 date_bin with an origin",
        "SELECT date_bin(INTERVAL '2 days', timestamp, TIMESTAMP '2026-01-01T00:00:00Z'), sum(cost) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R6 date_bin of quarters",
        "SELECT date_bin(INTERVAL '30 minutes', timestamp), count(*) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R6 extract",
        "SELECT extract(year FROM timestamp), extract(dow FROM timestamp), extract(hour FROM timestamp), count(*) FROM ai_usage_log GROUP BY 1, 2, 3",
    ),
    (
        "R6 cast to date",
        "SELECT timestamp::date, CAST(timestamp AS DATE) - date, count(*) FROM ai_usage_log GROUP BY 1, 2",
    ),
    (
        "R6 to_char",
        "SELECT to_char(timestamp, '%Y-%m'), to_char(timestamp, '%H h'), count(*) FROM ai_usage_log GROUP BY 1, 2",
    ),
    (
        "R6 zone of whole hours",
        "SELECT date_trunc('day', timestamp AT TIME ZONE 'America/New_York'), count(*) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R6 zone of three quarters",
        "SELECT date_trunc('day', timestamp AT TIME ZONE 'Asia/Kathmandu'), count(*), max(latency_ms) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "R6 zone that is UTC in winter",
        "SELECT CAST(timestamp AT TIME ZONE 'Europe/London' AS DATE), sum(cost) FROM ai_usage_log WHERE date < '2026-03-01' GROUP BY 1",
    ),
    (
        "2.3 count",
        "SELECT count(*), count(1), count(cost), count(NULL), count(organization_id), count(timestamp), count('x') FROM ai_usage_log",
    ),
    (
        "2.3 sum of a constant",
        "SELECT sum(1), sum(2.5), avg(3), min(4), sum(NULL::bigint) FROM ai_usage_log",
    ),
    (
        "2.3 min and max of dimensions and date",
        "SELECT min(model), max(model), min(date), max(date), max(length(model)) FROM ai_usage_log",
    ),
    (
        "2.3 count of different dimensions",
        "SELECT date, count(DISTINCT organization_id), count(DISTINCT model), count(*) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "2.3 different expressions, filtered",
        "SELECT count(DISTINCT upper(model)) FILTER (WHERE status = 'ok'), count(DISTINCT date_trunc('month', timestamp)), sum(DISTINCT length(model)) FROM ai_usage_log",
    ),
    (
        "2.3 sum and average of dimensions",
        "SELECT sum(length(model)), avg(length(model)), avg(extract(hour FROM timestamp)) FROM ai_usage_log",
    ),
    (
        "2.3 FILTER",
        "SELECT count(*) FILTER (WHERE status = 'ok'), sum(cost) FILTER (WHERE status <> 'ok'), avg(cost) FILTER (WHERE date > '2026-01-15'), count(cost) FILTER (WHERE false) FROM ai_usage_log",
    ),
    (
        "2.3 CASE",
        "SELECT sum(CASE WHEN status = 'ok' THEN cost ELSE 0 END), sum(CASE WHEN status = 'ok' THEN 1 ELSE 0 END), count(CASE WHEN model = 'gpt-5' THEN 1 END), avg(CASE WHEN status = 'ok' THEN cost END), max(CASE model WHEN 'gpt-5' THEN latency_ms END) FROM ai_usage_log",
    ),
    (
        "2.3 coalesce",
        "SELECT sum(coalesce(cost, 0)), avg(coalesce(input_tokens, 0)), count(coalesce(cost, 0)) FROM ai_usage_log",
    ),
    (
        "2.3 min, max, bits",
        "SELECT min(latency_ms), max(latency_ms), bit_or(output_tokens), bit_and(output_tokens) FROM ai_usage_log",
    ),
    (
        "2.3 bool_and, bool_or of dimensions",
        "SELECT bool_and(status = 'ok'), bool_or(model LIKE 'gpt%') FROM ai_usage_log",
    ),
    (
        "2.3 variance",
        "SELECT model, var_pop(latency_ms), var_samp(latency_ms), stddev(latency_ms), stddev_pop(cost), var(cost) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "2.3 sketches",
        "SELECT status, approx_distinct(user_id), approx_percentile(latency_ms, 0.5), approx_percentile(latency_ms, 0.99), approx_distinct(model) FROM ai_usage_log GROUP BY 1",
    ),
    ("2.3 DISTINCT dimensions", "SELECT DISTINCT model, status FROM ai_usage_log"),
    (
        "2.3 nothing",
        "SELECT count(*), sum(cost), min(model), approx_distinct(user_id), avg(cost) FROM ai_usage_log WHERE model = 'none such'",
    ),
    (
        "2.3 nothing, grouped",
        "SELECT model, count(*) FROM ai_usage_log WHERE model = 'none such' GROUP BY 1",
    ),
    (
        "2.4 HAVING, ORDER BY, LIMIT",
        "SELECT organization_id, sum(cost) AS c FROM ai_usage_log GROUP BY 1 HAVING count(*) > 3 ORDER BY c DESC LIMIT 2",
    ),
    (
        "2.4 window over an aggregate",
        "SELECT date, sum(count(*)) OVER (ORDER BY date) FROM ai_usage_log GROUP BY 1",
    ),
    (
        "2.5 BETWEEN",
        "SELECT count(*) FROM ai_usage_log WHERE timestamp BETWEEN '2026-01-02T09:00:00Z' AND '2026-01-30T16:59:59.999999Z'",
    ),
    (
        "2.5 OR of spans",
        "SELECT count(*), sum(cost) FROM ai_usage_log WHERE (timestamp >= '2026-01-02T09:00:00Z' AND timestamp < '2026-01-05T00:00:00Z') OR (timestamp >= '2026-01-19T00:00:00Z' AND timestamp < '2026-01-30T17:00:00Z')",
    ),
    (
        "2.5 preimages",
        "SELECT count(*) FROM ai_usage_log WHERE date_trunc('month', timestamp) = '2026-01-01T00:00:00Z' AND extract(year FROM timestamp) = 2026 AND CAST(timestamp AS DATE) <> '2026-01-05'",
    ),
    (
        "2.5 date with a model or a time",
        "SELECT count(*) FROM ai_usage_log WHERE date < '2026-01-09' OR model = 'gpt-5' OR timestamp >= '2026-02-01T12:00:00Z'",
    ),
    (
        "2.5 contradiction",
        "SELECT count(*), sum(cost) FROM ai_usage_log WHERE date > '2026-02-01' AND date < '2026-01-01'",
    ),
    (
        "2.6 quoted names and doubles",
        "SELECT \"model\" AS \"Model\", COUNT(*) AS \"N\", count(*) AS n2 FROM AI_USAGE_LOG GROUP BY \"Model\"",
    ),
    (
        "view",
        "SELECT date, sum(total_cost), sum(total_calls) FROM ai_usage_daily_aggregates GROUP BY 1",
    ),
];

#[tokio::test]
async fn each_is_answered_from_rollups() {
    let sandbox = Sandbox::new();
    let db = six_weeks(&sandbox).await;
    let mut failed = BTreeSet::new();
    for (rule, sql) in REWRITTEN {
        let (text, stats) = both(&db, sql).await;
        if stats.rollup_days == 0 && !rule.contains("contradiction") {
            let why = db.explain(&Query::sql(*sql)).await.unwrap();
            failed.insert(format!("{rule}\n{sql}\n{why}\n{text}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.into_iter().collect::<Vec<_>>().join("\n\n"));
}

/// A rule, a query, and words of its refusal.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "W2 limit below",
        "SELECT count(*) FROM (SELECT * FROM ai_usage_log LIMIT 5)",
        "Limit between",
    ),
    (
        "W2 window below",
        "SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY request_id) AS r FROM ai_usage_log)",
        "WindowAggr between",
    ),
    (
        "W2 union below",
        "SELECT count(*) FROM (SELECT model FROM ai_usage_log UNION ALL SELECT model FROM units)",
        "Union between",
    ),
    (
        "W2 full join",
        "SELECT plan, count(*) FROM ai_usage_log l FULL JOIN plans p ON l.organization_id = p.organization_id GROUP BY 1",
        "a Full join",
    ),
    (
        "W2 raw rows not preserved",
        "SELECT plan, count(*) FROM plans p LEFT JOIN ai_usage_log l ON l.organization_id = p.organization_id GROUP BY 1",
        "a Left join",
    ),
    (
        "W2 two raw scans",
        "SELECT count(*) FROM ai_usage_log a JOIN ai_usage_log b ON a.request_id = b.request_id",
        "raw rows joined with raw rows",
    ),
    (
        "W3 volatile",
        "SELECT count(*) FROM ai_usage_log WHERE random() < 2",
        "differs from call to call",
    ),
    (
        "R1 no dimension",
        "SELECT session_id, count(*) FROM ai_usage_log GROUP BY 1",
        "session_id is not a dimension; add it to dimensions",
    ),
    (
        "R2 other rows",
        "SELECT user_id, count(*) FROM ai_usage_log WHERE status = 'error' AND cost >= 0 GROUP BY 1",
        "it is only of rows where status = 'error' AND cost > 0; ask for those alone",
    ),
    (
        "R2 perhaps other rows",
        "SELECT user_id, count(*) FROM ai_usage_log WHERE (status = 'error' OR user_id = 'x') AND cost > 0 GROUP BY 1",
        "it is only of rows where",
    ),
    (
        "R2 a bound on another column's rows",
        "SELECT user_id, count(*) FROM ai_usage_log WHERE status = 'error' AND cost > 0 AND latency_ms > 5 GROUP BY 1",
        "latency_ms is not a dimension",
    ),
    (
        "R3 filter on a measure",
        "SELECT count(*) FROM ai_usage_log WHERE cost > 0",
        "cost is not a dimension",
    ),
    (
        "R4 not stored",
        "SELECT sum(time_to_first_token_ms) FROM ai_usage_log WHERE organization_id = 'a'",
        "is not stored; add it to measures",
    ),
    (
        "R4 expression of two measures",
        "SELECT sum(input_tokens + output_tokens) FROM ai_usage_log",
        "is over an expression",
    ),
    (
        "R5 join on a measure",
        "SELECT plan, count(*) FROM ai_usage_log l JOIN plans p ON l.latency_ms = p.seats GROUP BY 1",
        "latency_ms is not a dimension",
    ),
    (
        "R6 minute",
        "SELECT date_trunc('minute', timestamp), count(*) FROM ai_usage_log GROUP BY 1",
        "tells apart rows of one bucket",
    ),
    (
        "R6 bins off the grain",
        "SELECT date_bin(INTERVAL '7 minutes', timestamp), count(*) FROM ai_usage_log GROUP BY 1",
        "tells apart rows of one bucket",
    ),
    (
        "R6 zone of a grain that isn't there",
        "SELECT date_trunc('day', timestamp AT TIME ZONE 'Asia/Kolkata'), organization_id, count(*) FROM ai_usage_log GROUP BY 1, 2",
        "local time in Asia/Kolkata cuts through its buckets",
    ),
    ("2.3 median", "SELECT median(latency_ms) FROM ai_usage_log", "can't be merged"),
    (
        "2.3 array_agg",
        "SELECT array_agg(model ORDER BY timestamp) FROM ai_usage_log",
        "can't be merged",
    ),
    ("2.3 sum of floats", "SELECT sum(CAST(cost AS DOUBLE)) FROM ai_usage_log", "adds up floats"),
    (
        "2.3 different values of no dimension",
        "SELECT count(DISTINCT request_id) FROM ai_usage_log",
        "request_id is not a dimension",
    ),
];

#[tokio::test]
async fn each_is_refused_with_its_reason_and_read_raw() {
    let sandbox = Sandbox::new();
    let db = six_weeks(&sandbox).await;
    for (rule, sql, words) in REFUSED {
        let why = db.explain(&Query::sql(*sql)).await.unwrap().to_string();
        assert!(why.starts_with("route: raw") && why.contains(words), "{rule}\n{sql}\n{why}");
        let error = db.query(&Query::sql(*sql).by_route(Route::Rollup)).await.unwrap_err();
        assert!(error.to_string().contains(words), "{rule}\n{error}");
        // SQL leaves the answers of some queries open, and CSV can't hold the answers of others.
        if !["W2 limit below", "2.3 sum of floats", "2.3 array_agg"].contains(rule) {
            both(&db, sql).await;
        }
    }
}

#[tokio::test]
async fn the_answer_is_right_by_hand() {
    let db = db_with("memory://", &rich_definition(), "2026-03-01", Settings::default()).await;
    let mut rows = String::new();
    for day in 1..=10 {
        for (model, latency, user) in [("a", day, "u"), ("a", 3 * day, "v"), ("b", 100, "u")] {
            rows += &format!(
                "{{\"timestamp\":\"2026-01-{day:02}T10:20:30Z\",\"organization_id\":\"o\",\"model\":\"{model}\",\"latency_ms\":{latency},\"user_id\":\"{user}\",\"status\":\"ok\"}}\n"
            );
        }
    }
    append(&db, "rows", &rows).await;
    rollup(&db).await;
    let sql = "SELECT model, count(*) AS n, sum(latency_ms) AS s, var_pop(latency_ms) AS v, \
               approx_distinct(user_id) AS u, approx_percentile(latency_ms, 0) AS lo, \
               round(approx_percentile(latency_ms, 1)) AS hi, count(DISTINCT date) AS days \
               FROM ai_usage_log GROUP BY 1 ORDER BY 1";
    let (text, _) = csv(&db, sql, Route::Rollup).await;
    // The latencies are 1, 2, … 10 and 3, 6, … 30. Their mean is 11, and the mean of their squares
    // is 192.5.
    assert_eq!(
        text,
        "model,n,s,v,u,lo,hi,days\na,20,220,71.5,2,1.0,30.0,10\nb,10,1000,0.0,1,100.0,100.0,10\n"
    );
}
