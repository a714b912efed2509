//! Corners of the rewrite that a change could break without another test noticing: answers by hand,
//! by both routes.

use crate::support::{Ran, small::Small};

const DEFINITION: &str = r#"
name = "log"
table = "log"
time = "at"
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "org", type = "text", required = true },
  { name = "model", type = "text" },
  { name = "f", type = "float" },
  { name = "d", type = "decimal(18,4)" },
  { name = "v", type = "integer" },
  { name = "b", type = "boolean" },
]
[[rollup]]
name = "daily"
grain = "day"
dimensions = ["org", "b"]
measures = ["sum(v) as v", "sum(d) as d", "count(*) as n", "approx_distinct(v) as dv", "approx_distinct(d) as dd", "approx_distinct(at) as dat"]
[[rollup]]
name = "hourly"
grain = "hour"
dimensions = ["org"]
measures = ["count(*) as n"]
[[rollup]]
name = "low"
grain = "day"
dimensions = ["org", "v"]
measures = ["count(*) as n"]
filter = "v < 10"
[[rollup]]
name = "lowest"
grain = "day"
dimensions = ["model", "v"]
measures = ["count(*) as n"]
filter = "v <= 5"
[[rollup]]
name = "above"
grain = "day"
dimensions = ["b", "v"]
measures = ["count(*) as n"]
filter = "v > 4"
[[rollup]]
name = "named"
grain = "day"
dimensions = ["org", "model"]
measures = ["count(*) as n"]
filter = "model IS NOT NULL"
"#;

const ROWS: &str = r#"{"at":"2026-01-03T05:00:00Z","org":"a","model":"m1","f":0.5,"d":"0.5","v":4,"b":true}
{"at":"2026-01-03T05:40:00Z","org":"a","f":2.0,"d":"0","v":10,"b":false}
{"at":"2026-01-03T12:00:00Z","org":"b","model":"x","f":2.0,"d":"-1","v":50,"b":true}
{"at":"2026-01-04T05:10:00Z","org":"b","model":"m2","f":1.5,"d":"7.25","v":6}
{"at":"2026-01-04T05:35:00Z","org":"c","f":1.5,"d":"0.5","b":false}
{"at":"2026-01-05T00:00:00Z","org":"c","model":"m1","f":0.25,"v":5,"b":true}
{"at":"2026-01-05T00:00:00.5Z","org":"c","model":"m2","f":0.5,"v":1}
"#;

/// A root of that definition beside a table of plans.
fn beside_plans(definition: &str) -> Small {
    let small = Small::of(definition);
    small.sandbox.write("plans.csv", "org,budget\na,7\nb,50\n");
    small
}

fn log() -> Small {
    let small = beside_plans(DEFINITION);
    // Two batches: a day has several files.
    let (first, second) = ROWS.split_at(ROWS.match_indices('\n').nth(3).unwrap().0 + 1);
    small.append_lines("one", first).ok();
    small.append_lines("two", second).ok();
    small.run("rollup").ok();
    small
}

#[track_caller]
fn ask(small: &Small, route: &str, sql: &str) -> Ran {
    let args = ["query", sql, "--format", "csv", "--route", route, "--table", "plans=plans.csv"];
    small.sandbox.run(&[&args[..], &["--set", "rollup.min_span=0"]].concat())
}

/// The values by both routes, row by row.
#[track_caller]
fn both(small: &Small, cases: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (sql, expected) in cases {
        for route in ["raw", "auto"] {
            let ran = ask(small, route, sql);
            let found: Vec<_> = ran.out.lines().skip(1).collect();
            let found = if ran.code == 0 { found.join(" ") } else { ran.err };
            if found != *expected {
                wrong += &format!("{route}: {sql}\n  {found}\n  {expected}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_filter_implies_a_rollups_filter_or_not() {
    let small = log();
    both(
        &small,
        &[
            ("SELECT org, count(*) FROM log WHERE v < 11 GROUP BY 1", "a,2 b,1 c,2"),
            ("SELECT org, count(*) FROM log WHERE v <= 10 GROUP BY 1", "a,2 b,1 c,2"),
            ("SELECT model, count(*) FROM log WHERE v <= 6 GROUP BY 1", "m1,2 m2,2"),
            ("SELECT b, count(*) FROM log WHERE v >= 4 GROUP BY 1", "false,1 true,3 ,1"),
            ("SELECT b, count(*) FROM log WHERE v > 3 GROUP BY 1", "false,1 true,3 ,1"),
            ("SELECT org, count(*) FROM log WHERE org LIKE 'a%' GROUP BY 1", "a,2"),
            (
                "SELECT org, model, count(*) FROM log WHERE org LIKE 'a%' GROUP BY 1, 2",
                "a,m1,1 a,,1",
            ),
            (
                "SELECT org, model, count(*) FROM log WHERE org IN ('a', 'w', 'x', 'y', 'z') GROUP BY 1, 2",
                "a,m1,1 a,,1",
            ),
            (
                "SELECT org, v, count(*) FROM log WHERE v IN (50, 4, 5, 0) GROUP BY 1, 2",
                "a,4,1 b,50,1 c,5,1",
            ),
            (
                "SELECT org, v, count(*) FROM log WHERE v IN (4, 5, 0, 2, 50) GROUP BY 1, 2",
                "a,4,1 b,50,1 c,5,1",
            ),
            (
                "SELECT org, model, count(*) FROM log WHERE model IS DISTINCT FROM 'm1' GROUP BY 1, 2",
                "a,,1 b,m2,1 b,x,1 c,m2,1 c,,1",
            ),
        ],
    );
    // And these need no raw row.
    for (condition, n) in [
        ("v < 5", 2),
        ("v <= 9", 4),
        ("v IN (4, 5, 0, 2, 3)", 2),
        ("v < 10", 4),
        ("model LIKE 'm%'", 4),
        ("model IN ('m1', 'a', 'b', 'c', 'd')", 2),
        ("model <> 'm1'", 3),
        ("'m3' < model", 1),
        ("org < model", 5),
        ("model > org", 5),
        ("v > 5", 3),
        ("v >= 5", 4),
        ("v > 4 AND v <> 6", 3),
        ("v > 7 AND b OR v > 20 AND NOT b", 1),
    ] {
        let sql = format!("SELECT count(*) AS n FROM log WHERE {condition}");
        assert_eq!(ask(&small, "rollup", &sql).ok().out, format!("n\n{n}\n"), "{condition}");
    }
}

#[test]
fn only_zero_is_zero() {
    both(
        &log(),
        &[
            (
                "SELECT sum(coalesce(v, 1)), sum(coalesce(v, length(org))), sum(coalesce(v, 0)) FROM log",
                "77,77,76",
            ),
            (
                "SELECT sum(coalesce(d, 1)), sum(coalesce(d, 0.5)), sum(coalesce(d, 0)) FROM log",
                "9.2500,8.2500,7.2500",
            ),
            ("SELECT sum(CASE WHEN v IS NOT NULL THEN v ELSE 5 END) FROM log", "81"),
            (
                "SELECT var_pop(length(org)), stddev_pop(length(org)) FROM log WHERE at < '2026-01-03T06:00:00Z'",
                "0.0,0.0",
            ),
            (
                "SELECT b, var_pop(length(org)), stddev(length(org)) FROM log GROUP BY 1",
                "false,0.0,0.0 true,0.0,0.0 ,0.0,0.0",
            ),
        ],
    );
}

#[test]
fn doubles_are_folded_where_they_count() {
    both(
        &log(),
        &[
            ("SELECT org, sum(f) FILTER (WHERE b) FROM log GROUP BY 1", "a,0.5 b,2.0 c,0.25"),
            (
                "SELECT org, sum(DISTINCT f), count(*) FROM log GROUP BY 1",
                "a,2.5,2 b,3.5,2 c,2.25,3",
            ),
            ("SELECT sum(f), sum(DISTINCT f) FROM log", "8.25,4.25"),
            ("SELECT length(org), sum(DISTINCT f), sum(f) FROM log GROUP BY 1", "1,4.25,8.25"),
            // A NULL is no reason to count a row.
            ("SELECT org, sum(f) FILTER (WHERE v < 5) FROM log GROUP BY 1", "a,0.5 b, c,0.5"),
            ("SELECT sum(x) FROM (SELECT f AS x FROM log UNION ALL SELECT f FROM log)", "16.5"),
            (
                "SELECT org, sum(f) OVER (PARTITION BY org ORDER BY at) FROM log ORDER BY org, at",
                "a,0.5 a,2.5 b,2.0 b,3.5 c,1.5 c,1.75 c,2.25",
            ),
            (
                "SELECT max(v) OVER (), avg(v) OVER () FROM log WHERE v < 6 ORDER BY 1 LIMIT 1",
                "5,3.3333333333333335",
            ),
            // Of 2.5, 3.5 and 2.25.
            (
                "SELECT round(var_pop(x), 9), count(x) FROM (SELECT org, sum(f) AS x FROM log GROUP BY 1)",
                "0.291666667,3",
            ),
            (
                "SELECT round(corr(x, n), 9) FROM (SELECT org, sum(f) AS x, count(*) AS n FROM log GROUP BY 1)",
                "-0.654653671",
            ),
            (
                "SELECT max(CAST('2.5' AS DOUBLE)), sum(CAST('2.5' AS DOUBLE)), max(CAST('1e19' AS DOUBLE)), sum(CAST('1e19' AS DOUBLE)) FROM log",
                "2.5,17.5,1e19,7e19",
            ),
        ],
    );
}

#[test]
fn every_type_has_different_values() {
    both(
        &log(),
        &[
            (
                "SELECT approx_distinct(v), approx_distinct(d), approx_distinct(at), approx_distinct(b), approx_distinct(org), approx_distinct(date), approx_distinct(f) FROM log",
                "6,4,7,2,3,3,4",
            ),
            ("SELECT approx_percentile(NULL, 0.5) FROM log", "\"\""),
            ("SELECT approx_distinct(CAST(v AS INT)) FROM log", "6"),
            ("SELECT approx_distinct(arrow_cast(v, 'UInt64')) FROM log", "6"),
            ("SELECT approx_distinct(arrow_cast(org, 'Dictionary(Int32, Utf8)')) FROM log", "3"),
            (
                "SELECT org, (SELECT approx_distinct(v) FROM log k WHERE k.org = p.org AND v = 77) FROM plans p",
                "a,0 b,0",
            ),
        ],
    );
}

#[test]
fn hours_and_minutes_have_preimages() {
    both(
        &log(),
        &[
            ("SELECT count(*) FROM log WHERE date_trunc('hour', at) = '2026-01-03T05:00:00Z'", "2"),
            ("SELECT count(*) FROM log WHERE date_trunc('hour', at) = '2026-01-03T05:30:00Z'", "0"),
            ("SELECT count(*) FROM log WHERE date_trunc('hour', at) > '2026-01-03T04:30:00Z'", "7"),
            (
                "SELECT count(*) FROM log WHERE date_trunc('hour', at) >= '2026-01-03T11:30:00Z'",
                "5",
            ),
            ("SELECT count(*) FROM log WHERE date_trunc('hour', at) > '2026-01-03T05:30:00Z'", "5"),
            (
                "SELECT count(*) FROM log WHERE date_trunc('day', at) > arrow_cast('2026-01-03T23:59:59.999999500', 'Timestamp(Nanosecond, None)')",
                "4",
            ),
            (
                "SELECT date_bin(INTERVAL '1 day', at, arrow_cast('2026-01-01T00:00:00.000000001', 'Timestamp(Nanosecond, None)')) AS x, count(*) FROM log GROUP BY 1",
                "2026-01-03T00:00:00.000000001Z,3 2026-01-04T00:00:00.000000001Z,3 2026-01-05T00:00:00.000000001Z,1",
            ),
            ("SELECT count(*) FROM log WHERE date_trunc('hour', at) < '2026-01-03T12:30:00Z'", "3"),
            (
                "SELECT count(*) FROM log WHERE date_trunc('hour', at) <= '2026-01-03T12:00:00Z'",
                "3",
            ),
            (
                "SELECT count(*) FROM log WHERE date_trunc('hour', at) <> '2026-01-03T05:00:00Z'",
                "5",
            ),
            (
                "SELECT count(*) FROM log WHERE date_trunc('minute', at) >= '2026-01-04T05:10:00Z'",
                "4",
            ),
            (
                "SELECT count(*) FROM log WHERE date_trunc('minute', at) < '2026-01-04T05:10:30Z'",
                "4",
            ),
            // 05:30 UTC is 11:00 in India.
            (
                "SELECT count(*) FROM log WHERE date_trunc('hour', at AT TIME ZONE 'Asia/Kolkata') >= '2026-01-03T05:30:00Z'",
                "6",
            ),
            (
                "SELECT count(*) FROM log WHERE date_trunc('hour', at AT TIME ZONE 'Asia/Kolkata') = '2026-01-04T05:30:00Z'",
                "1",
            ),
            (
                "SELECT date_bin(INTERVAL '1 day', at, TIMESTAMP '2026-01-01T05:30:00Z') AS x, count(*) FROM log GROUP BY 1",
                "2026-01-02T05:30:00Z,1 2026-01-03T05:30:00Z,3 2026-01-04T05:30:00Z,3",
            ),
        ],
    );
}

#[test]
fn literals_with_many_digits_mean_what_they_say() {
    both(
        &log(),
        &[
            (
                "SELECT count(*) FROM (VALUES ('v1.1234567'), ('v1.123456')) t(x) WHERE x = 'v1.1234567'",
                "1",
            ),
            (
                "SELECT count(*) FROM (VALUES ('v1.1234567'), ('v1.123456')) t(x) WHERE 'v1.1234567' = x",
                "1",
            ),
            (
                "SELECT count(*) FROM (VALUES ('v1.1234567'), ('v1.123456')) t(x) WHERE x IN ('v1.1234567', 'a')",
                "1",
            ),
            (
                "SELECT count(*) FROM (VALUES ('v1.1234567'), ('v1.123456')) t(x) WHERE x BETWEEN 'v1.1234567' AND 'v1.1234568'",
                "1",
            ),
            ("SELECT count(*) FROM log WHERE '2026-01-03T05:00:00.0000001Z' > at", "1"),
            (
                "SELECT count(*) FROM log WHERE at BETWEEN '2026-01-03T05:00:00.0000001Z' AND '2026-01-03T12:00:00Z'",
                "2",
            ),
            (
                "SELECT count(*) FROM log WHERE at BETWEEN '2026-01-03T05:00:00Z' AND '2026-01-03T12:00:00.0000001Z'",
                "3",
            ),
            (
                "SELECT count(*) FROM log WHERE at NOT BETWEEN '2026-01-03T05:00:00.0000001Z' AND '2026-01-03T12:00:00Z'",
                "5",
            ),
            ("SELECT count(*) FROM log WHERE at IN ('2026-01-03T05:00:00.0000001Z')", "0"),
            ("SELECT count(*) FROM log WHERE at NOT IN ('2026-01-03T05:00:00.0000001Z')", "7"),
            (
                "SELECT count(*) FROM log WHERE at IN ('2026-01-03T05:00:00Z', '2026-01-03T05:40:00.0000001Z')",
                "1",
            ),
            ("SELECT count(*) FROM log WHERE v IN (4, NULL) AND v IN (4, 5)", "1"),
            (
                "SELECT count(*) FROM log WHERE v IN (4, 5) AND v NOT IN (3, CAST(NULL AS BIGINT))",
                "0",
            ),
            ("SELECT count(*) FROM log WHERE (v IN (4, NULL)) IS NULL", "6"),
            (
                "SELECT INTERVAL '2 hours' + INTERVAL '1 hour' AS x, INTERVAL '2 hours' - INTERVAL '1 hour' AS y",
                "3 hours,1 hours",
            ),
            (
                "SELECT at + INTERVAL '1 hour', INTERVAL '1 hour' + at FROM log ORDER BY at LIMIT 1",
                "2026-01-03T06:00:00Z,2026-01-03T06:00:00Z",
            ),
            (
                "SELECT arrow_cast('2026-01-05T00:00:00.000000001', 'Timestamp(Nanosecond, None)') + INTERVAL '1 hour'",
                "2026-01-05T01:00:00.000000001",
            ),
        ],
    );
}

#[test]
fn decimals_meet_doubles_only_where_there_are_doubles() {
    both(
        &log(),
        &[
            (
                "SELECT count(*) FROM (SELECT CAST('12345678901234567.1' AS DECIMAL(30, 1)) AS x INTERSECT SELECT CAST('12345678901234567.1' AS DECIMAL(31, 2)))",
                "1",
            ),
            (
                "SELECT count(*) FROM (SELECT CAST(0 AS DECIMAL(30, 1)) AS x INTERSECT SELECT CAST('1e-20' AS DOUBLE))",
                "0",
            ),
            (
                "SELECT count(*) FROM (SELECT CAST('12345678901234567.1' AS DECIMAL(30, 1)) AS x) WHERE x IN (SELECT CAST('12345678901234567.1' AS DECIMAL(30, 1)))",
                "1",
            ),
            (
                "SELECT CAST(1 AS DOUBLE) AS x, CAST('12345678901234567.1' AS DECIMAL(30, 1)) AS y UNION ALL SELECT CAST('2' AS DECIMAL(9, 1)), CAST('12345678901234567.2' AS DECIMAL(30, 1)) ORDER BY 1",
                "1.0,12345678901234567.1 2.0,12345678901234567.2",
            ),
            (
                "SELECT count(*) FROM (SELECT CAST('1e-20' AS DOUBLE) AS x) WHERE x IN (SELECT CAST(0 AS DECIMAL(30, 1)))",
                "0",
            ),
            (
                "SELECT sum(x) FROM (VALUES (CAST('1.6e308' AS DOUBLE)), (CAST('7e291' AS DOUBLE)), (CAST('4e291' AS DOUBLE)), (CAST('-1e291' AS DOUBLE)), (CAST('1e288' AS DOUBLE))) t(x)",
                "1.6000000000000002e308",
            ),
            ("SELECT sum(x) FROM (VALUES (CAST('-0.0' AS DOUBLE))) t(x)", "0.0"),
            (
                "SELECT min(x) FROM (VALUES (CAST('-0.0' AS DOUBLE)), (CAST('0' AS DOUBLE))) t(x)",
                "0.0",
            ),
            (
                "SELECT sum(CAST(d AS BIGINT)), sum(CAST(d AS DECIMAL(20, 0))), sum(CAST(d AS DECIMAL(20, 6))) FROM log",
                "6,8,7.250000",
            ),
            ("SELECT count(*) FROM log WHERE f IN (0.5, 2.0)", "4"),
        ],
    );
}

#[test]
fn subqueries_that_are_answered_or_refused() {
    let small = log();
    both(
        &small,
        &[
            (
                "SELECT org FROM plans p WHERE EXISTS (SELECT 1 FROM log k WHERE k.org = p.org LIMIT 1)",
                "a b",
            ),
            (
                "SELECT org FROM plans p WHERE EXISTS (SELECT 1 FROM (SELECT * FROM log m WHERE m.org = p.org) m LEFT JOIN log k ON m.v = k.v)",
                "a b",
            ),
            (
                "SELECT org, (SELECT count(*) FROM log k LEFT JOIN plans q ON k.org = q.org WHERE k.org = p.org) FROM plans p ORDER BY 1",
                "a,2 b,2",
            ),
            (
                "SELECT sum(v) OVER (ORDER BY v RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM log WHERE v < 7 ORDER BY v",
                "1 4 9 11",
            ),
            (
                "SELECT org, count(*) FROM log WHERE b IS NOT DISTINCT FROM true GROUP BY 1",
                "a,1 b,1 c,1",
            ),
        ],
    );
    for (sql, words) in [
        (
            "SELECT org FROM plans p WHERE EXISTS (SELECT count(*) FROM log l WHERE l.org = p.org ORDER BY 1)",
            "it always has a row",
        ),
        (
            "SELECT org FROM plans p WHERE EXISTS (SELECT count(*) FROM log l WHERE l.org = p.org LIMIT 1)",
            "it always has a row",
        ),
        (
            "SELECT org FROM plans p WHERE EXISTS (SELECT count(*) FROM log l WHERE l.org = p.org HAVING count(*) < 5)",
            "it always has a row",
        ),
        (
            "SELECT org FROM plans p WHERE EXISTS (SELECT * FROM (SELECT count(*) AS n FROM log l WHERE l.org = p.org) x)",
            "it always has a row",
        ),
        (
            "SELECT sum(v) OVER (ORDER BY org RANGE BETWEEN CURRENT ROW AND 1 FOLLOWING) AS s FROM log",
            "texts have no distance",
        ),
        (
            "SELECT org FROM plans p WHERE TRY_CAST(NULL AS BIGINT) NOT IN (SELECT v FROM log)",
            "write what it says",
        ),
        (
            "SELECT org FROM plans p WHERE EXISTS (SELECT 1 FROM (SELECT * FROM log m WHERE m.org = p.org) m RIGHT JOIN log k ON m.v = k.v)",
            "side of an outer join",
        ),
        (
            "SELECT org FROM plans p WHERE EXISTS (SELECT 1 FROM log k FULL JOIN (SELECT * FROM log m WHERE m.org = p.org) m ON m.v = k.v)",
            "side of an outer join",
        ),
        (
            "SELECT org, (SELECT sum(v) FROM log l WHERE l.v > p.budget) AS x FROM plans p",
            "depends on the outer row",
        ),
        (
            "SELECT stddev(DISTINCT n) FROM (SELECT org, count(*) AS n FROM log GROUP BY 1)",
            "DISTINCT",
        ),
        (
            "SELECT org, EXISTS (SELECT 1 FROM log l WHERE l.v > p.budget) AS x FROM plans p",
            "depends on the outer row",
        ),
        (
            "SELECT org FROM plans p WHERE budget IN (SELECT v FROM log l WHERE l.v > p.budget LIMIT 3)",
            "depends on the outer row",
        ),
    ] {
        for route in ["raw", "auto"] {
            ask(&small, route, sql).failed(3, words);
        }
    }
    // What is joined may differ from run to run.
    for (joined, what) in [
        ("SELECT org FROM plans LIMIT 1", "a limit"),
        ("SELECT org FROM plans ORDER BY budget LIMIT 1", "a limit"),
        ("SELECT org, row_number() OVER () AS r FROM plans", "a window function"),
        ("SELECT org, first_value(budget) AS b FROM plans GROUP BY 1", "first_value"),
        ("SELECT org, stddev(f) AS s FROM log GROUP BY 1", "stddev"),
    ] {
        let sql = format!(
            "SELECT l.org, count(*) FROM log l JOIN ({joined}) t ON t.org = l.org GROUP BY 1"
        );
        let ran = ask(&small, "rollup", &sql);
        assert!(ran.code != 0 && ran.err.contains(&format!("has {what}")), "{joined}: {ran:?}");
    }
    for joined in [
        "SELECT DISTINCT org FROM plans",
        "SELECT org FROM plans ORDER BY budget",
        "SELECT org, stddev(v) AS s FROM log GROUP BY 1",
        "SELECT org, approx_distinct(v) AS s FROM log GROUP BY 1",
    ] {
        let sql = format!(
            "SELECT l.org, count(*) FROM log l JOIN ({joined}) t ON t.org = l.org GROUP BY 1"
        );
        ask(&small, "auto", &sql).ok();
        if !joined.contains("stddev") {
            ask(&small, "rollup", &sql).ok();
        }
    }
}

/// Two files with the same rows in another order.
#[test]
fn folds_of_a_users_doubles_have_one_order() {
    let small = log();
    let rows: Vec<_> =
        (0..40).map(|at| format!("k{at:02},{}\n", 0.1 * f64::from(at * at) + 1e6)).collect();
    let backwards: Vec<_> = rows.iter().rev().cloned().collect();
    let mut found = Vec::new();
    for (name, rows) in [("one.csv", rows), ("two.csv", backwards)] {
        small.sandbox.write(name, format!("k,x\n{}", rows.concat()));
        let sql = "SELECT var_pop(s), stddev(s), corr(s, n), covar_pop(s, n) FROM (SELECT k, sum(x) AS s, sum(x * x) AS n FROM t GROUP BY k)";
        let table = format!("t={name}");
        let args = ["query", sql, "--format", "csv", "--table", &table];
        found.push(small.sandbox.run(&args).ok().out);
    }
    assert_eq!(found[0], found[1]);
}

/// A decimal with many digits, times a factor.
#[test]
fn wide_decimals_are_scaled() {
    let small = beside_plans(
        r#"
name = "log"
table = "log"
time = "at"
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "org", type = "text", required = true },
  { name = "w", type = "decimal(30,2)" },
]
[[rollup]]
name = "daily"
grain = "day"
dimensions = ["org"]
measures = ["sum(w) as w", "count(w) as cw", "count(*) as n"]
"#,
    );
    let row = r#"{"at":"2026-01-03T05:00:00Z","org":"ab","w":"12345678901234567890.25"}"#;
    small.append_lines("one", &format!("{row}\n{row}\n")).ok();
    small.run("rollup").ok();
    both(
        &small,
        &[
            (
                "SELECT sum(w * 1.5), sum(w * length(org)), avg(w) FROM log",
                "37037036703703703670.750,49382715604938271561.00,12345678901234567890.250000",
            ),
            (
                "SELECT sum(w * CASE WHEN org = 'ab' THEN 0.5 ELSE 1 END) FROM log",
                "12345678901234567890.250",
            ),
        ],
    );
    let sql = "SELECT count(w * length(org)) AS n FROM log";
    assert_eq!(ask(&small, "rollup", sql).ok().out, "n\n2\n");
}
