//! Values at the limits of their types, texts at the limits of the parser, and answers at the limit
//! of rows: by every route, the answer is right or an error.

use crate::support::small::Small;

const MAX: i64 = i64::MAX;
const DAY: &str = "2026-01-03";

const DEFINITION: &str = r#"
name = "log"
table = "log"
time = "at"
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "who", type = "text", required = true },
  { name = "v", type = "integer" },
  { name = "d", type = "decimal(38, 0)" },
]
[[rollup]]
name = "by_who"
grain = "day"
dimensions = ["who"]
measures = ["sum(v) as v", "sum(d) as d", "count(*) as n"]
[[rollup]]
name = "counts"
grain = "day"
dimensions = ["who"]
measures = ["count(*) as n"]
"#;

/// On each single day, the sum of `a` fits a BIGINT, and the sum of `b` fits its decimal. Over two
/// days, neither sum fits.
fn near_the_limit(days: &[&str]) -> Small {
    let small = Small::of(DEFINITION);
    let nines = "9".repeat(38);
    for day in days {
        let lines = format!(
            "{{\"at\":\"{day}T05:00:00Z\",\"who\":\"a\",\"v\":{MAX},\"d\":1}}\n\
             {{\"at\":\"{day}T06:00:00Z\",\"who\":\"b\",\"v\":1,\"d\":{nines}}}\n\
             {{\"at\":\"{day}T07:00:00Z\",\"who\":\"c\",\"v\":3,\"d\":2}}\n"
        );
        small.append_lines(day, &lines).ok();
    }
    small
}

#[test]
fn sums_without_room_are_errors_by_every_route() {
    let small = near_the_limit(&[DAY, "2026-01-04"]);
    for state in ["bare", "mixed", "full"] {
        match state {
            "mixed" => drop(small.run(&format!("rollup --to {DAY}")).ok()),
            "full" => drop(small.run("rollup").ok()),
            _ => {}
        }
        for route in ["raw", "auto"] {
            let all = "SELECT who, sum(v) AS s FROM log GROUP BY 1";
            let beyond = "is beyond what a BIGINT can hold";
            small.query(route, all).failed(3, &format!("sum(log.v) {beyond}"));
            small
                .query(route, "SELECT sum(DISTINCT v) FROM log WHERE who <> 'b'")
                .failed(3, beyond);
            small.query(route, "SELECT sum(v) OVER (ORDER BY at) FROM log").failed(3, beyond);
            let beyond = "is beyond what a DECIMAL(38, 0) can hold";
            small.query(route, "SELECT sum(d) AS s FROM log").failed(3, beyond);
            // Sums that fit are right, also beside sums that don't.
            let some = "SELECT who, sum(v) AS v, sum(d) AS d FROM log WHERE who = 'c' GROUP BY 1";
            assert_eq!(small.query(route, some).ok().out, "who,v,d\nc,6,4\n", "{state} {route}");
            let wide =
                "SELECT sum(CAST(v AS DECIMAL(38, 0))) AS s, avg(v) AS a FROM log WHERE who = 'a'";
            let expected = format!("s,a\n{},9.223372036854776e18\n", 2 * i128::from(MAX));
            assert_eq!(small.query(route, wide).ok().out, expected, "{state} {route}");
        }
    }
    small.run("verify").ok();
}

#[test]
fn a_rollup_without_room_is_named_and_stops_no_other() {
    let small = near_the_limit(&[DAY]);
    small.append("more", &[DAY], &["a"], MAX).ok();
    let ran = small.run("rollup");
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("`v_sum` is beyond what a BIGINT can hold"), "{ran:?}");
    assert!(ran.out.contains("counts"), "{ran:?}");
    let counts = "SELECT who, count(*) AS n FROM log GROUP BY 1";
    assert_eq!(small.query("rollup", counts).ok().out, "who,n\na,2\nb,1\nc,1\n");
    let sum = "SELECT sum(v) AS s FROM log WHERE who = 'c'";
    assert_eq!(small.query("auto", sum).ok().out, "s\n3\n");
}

#[test]
fn arithmetic_without_room_is_an_error() {
    let small = near_the_limit(&[DAY]);
    for expression in ["v + 1", "v * 2", "-2 - v", "v * v"] {
        let sql = format!("SELECT max({expression}) AS x FROM log");
        let ran = small.query("raw", &sql);
        ran.failed(3, "beyond what its type can hold");
    }
    let sql = "SELECT who, sum(v * 2) AS s, max(v + 1) AS m FROM log WHERE who = 'c' GROUP BY who";
    assert_eq!(small.query("auto", sql).ok().out, "who,s,m\nc,6,4\n");
}

#[test]
fn a_condition_on_a_whole_aggregate_decides_on_its_row() {
    let small = near_the_limit(&[DAY]);
    for rolled in [false, true] {
        if rolled {
            small.run("rollup").ok();
        }
        for (condition, rows) in [
            ("false", 0),
            ("1 > 2", 0),
            ("(SELECT count(*) FROM log) > 100", 0),
            ("(SELECT count(*) FROM log) > 2", 1),
            ("count(*) > 100", 0),
        ] {
            for route in ["raw", "auto"] {
                let sql = format!("SELECT count(*) AS n FROM log HAVING {condition}");
                let ran = small.query(route, &sql).ok();
                assert_eq!(ran.out.lines().count(), 1 + rows, "{route} {sql}: {ran:?}");
                let sql =
                    format!("SELECT * FROM (SELECT count(*) AS n FROM log) WHERE {condition}");
                if !condition.starts_with("count") {
                    let ran = small.query(route, &sql).ok();
                    assert_eq!(ran.out.lines().count(), 1 + rows, "{route} {sql}: {ran:?}");
                }
            }
        }
    }
}

#[test]
fn subqueries_answer_by_every_route() {
    let small = near_the_limit(&[DAY, "2026-01-04"]);
    let queries = [
        "SELECT who, count(*) AS n FROM log l WHERE v = (SELECT max(v) FROM log k WHERE k.who = l.who) GROUP BY 1",
        "SELECT who, (SELECT count(*) FROM log k WHERE k.who = l.who) AS n FROM (SELECT DISTINCT who FROM log) l",
        "SELECT who, count(*) AS n FROM log l GROUP BY who HAVING count(*) >= (SELECT count(*) FROM log k WHERE k.who = l.who)",
        "SELECT l.who, t.n FROM (SELECT DISTINCT who FROM log) l, LATERAL (SELECT count(*) AS n FROM log k WHERE k.who = l.who) t",
        "SELECT who, count(*) AS n FROM log WHERE 0 < (SELECT count(*) FROM log) GROUP BY 1",
        "SELECT l.who, count(*) AS n, t.all FROM log l CROSS JOIN (SELECT count(*) AS all FROM log) t GROUP BY l.who, t.all",
        "SELECT l.who, count(*) AS n FROM log l CROSS JOIN (SELECT sum(CAST(v AS DOUBLE)) AS s FROM log) t GROUP BY l.who, t.s",
        "SELECT l.who, count(*) AS n FROM log l JOIN (SELECT DISTINCT ON (who) who, v FROM log ORDER BY who, v) t ON t.who = l.who GROUP BY l.who",
    ];
    let mut expected = Vec::new();
    for state in ["bare", "mixed", "full", "late"] {
        match state {
            "mixed" => drop(small.run(&format!("rollup --to {DAY}")).ok()),
            "full" => drop(small.run("rollup").ok()),
            _ => {}
        }
        for (at, sql) in queries.iter().enumerate() {
            for route in ["raw", "auto"] {
                let found = small.query(route, sql).ok().out;
                if expected.len() == at {
                    expected.push(found.clone());
                }
                assert_eq!(found, expected[at], "{state} {route} {sql}");
            }
        }
    }
}

#[test]
fn what_would_be_planned_wrongly_is_refused() {
    let small = near_the_limit(&[DAY]);
    let sql = "SELECT who FROM log INTERSECT ALL SELECT who FROM log";
    small.query("auto", sql).failed(3, "INTERSECT ALL isn't supported");
    let sql = "SELECT * FROM (SELECT who FROM log EXCEPT ALL SELECT who FROM log WHERE v > 2) t";
    small.query("auto", sql).failed(3, "EXCEPT ALL isn't supported");
    for (sql, words) in [
        ("SELECT who FROM log WHERE date >= 2026-12-01", "write dates in quotes"),
        (
            "SELECT who FROM log l WHERE v < (SELECT max(v) FROM log k WHERE k.who <> l.who)",
            "depends on the outer row",
        ),
        (
            "SELECT who, sum((SELECT count(*) FROM log k WHERE k.who = l.who)) FROM log l GROUP BY 1",
            "depends on the outer row",
        ),
        (
            "SELECT who FROM log l WHERE v NOT IN (SELECT v FROM log k WHERE k.who = l.who)",
            "write NOT EXISTS",
        ),
        (
            "SELECT who FROM log l WHERE CAST(NULL AS BIGINT) NOT IN (SELECT v FROM log)",
            "write what it says: NOT EXISTS",
        ),
        (
            "SELECT who FROM log l WHERE EXISTS (SELECT count(*) FROM log k WHERE k.who = l.who GROUP \
             BY ROLLUP (k.v))",
            "ROLLUP and CUBE aren't supported",
        ),
        (
            "SELECT who FROM log l WHERE EXISTS (SELECT 1 FROM log k LEFT JOIN (SELECT * FROM log m \
             WHERE m.who = l.who) m ON m.v = k.v)",
            "side of an outer join",
        ),
    ] {
        for route in ["raw", "auto"] {
            small.query(route, sql).failed(3, words);
        }
    }
    let sql = format!("SELECT 1 WHERE {}true{}", "NOT (".repeat(40), ")".repeat(40));
    small.query("auto", &sql).failed(8, "`NOT (` inside each other");
    let sql = format!("SELECT 1{}", "+1".repeat(20_000));
    small.query("auto", &sql).failed(8, "operators");
    let sql = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(3_000));
    small.query("auto", &sql).failed(8, "SELECTs");
}

/// The parser takes the syntax of many engines, and DataFusion ignores parts of it.
#[test]
fn what_would_be_ignored_is_refused() {
    let small = near_the_limit(&[DAY]);
    for (sql, words) in [
        ("SELECT who FROM log TABLESAMPLE BERNOULLI (10)", "random() < 0.1"),
        ("SELECT who FROM (SELECT * FROM log) TABLESAMPLE (10 PERCENT)", "random() < 0.1"),
        ("SELECT who FROM log WITH (nolock)", "leave it out"),
        ("SELECT who FROM log PARTITION (p)", "WHERE date ="),
        ("SELECT who FROM log WITH ORDINALITY", "row_number()"),
        ("SELECT who, count(*) FROM log GROUP BY who WITH ROLLUP", "GROUP BY ROLLUP (a, b)"),
        ("SELECT who, count(*) FROM log GROUP BY who WITH CUBE", "GROUP BY CUBE (a, b)"),
        ("SELECT who, count(*) FROM log GROUP BY who WITH TOTALS", "GROUPING SETS ((a, b), ())"),
        ("SELECT who FROM log PREWHERE who = 'x'", "write WHERE"),
        ("SELECT who FROM log CONNECT BY 1 = 1", "WITH RECURSIVE"),
        ("SELECT who FROM log SETTINGS max_threads = 1", "SETTINGS"),
        ("SELECT who FROM log FORMAT JSON", "--format json"),
        ("SELECT who FROM log FOR XML AUTO", "--format json"),
        ("SELECT who FROM log FOR UPDATE", "only reads"),
        ("SELECT who FROM log LIMIT 1 BY who", "QUALIFY"),
        ("SELECT who FROM log FETCH FIRST 2 ROWS ONLY", "write LIMIT"),
        ("SELECT TOP 1 who FROM log", "write LIMIT"),
        ("SELECT * ILIKE 'w%' FROM log", "name the columns"),
        ("SELECT * RENAME (who AS w) FROM log", "EXCLUDE (a), a AS b"),
        ("SELECT median(0.3)(v) FROM log", "one pair of parentheses"),
        ("SELECT who FROM log a GLOBAL JOIN log b USING (who)", "write JOIN"),
        ("SELECT who FROM log SORT BY who", "write ORDER BY"),
        ("SELECT * FROM log PIVOT (sum(v) FOR who IN ('a', 'b'))", "FILTER (WHERE"),
        // Inside of other parts, too.
        ("WITH a AS (SELECT who FROM log PREWHERE v = 1) SELECT * FROM a", "write WHERE"),
        ("SELECT 1 WHERE 1 IN (SELECT v FROM log TABLESAMPLE (10))", "random() < 0.1"),
        ("INSERT INTO log VALUES (1)", "SQL only reads here"),
        ("DROP TABLE log", "SQL only reads here"),
        ("SET datafusion.execution.batch_size = 1", "SQL only reads here"),
    ] {
        for route in ["raw", "auto"] {
            small.query(route, sql).failed(3, words);
        }
    }
}

#[test]
fn functions_of_texts_make_no_more_than_they_may() {
    let small = near_the_limit(&[DAY]);
    for expression in [
        "length(repeat('x', 2000000000))",
        "length(lpad(who, 2000000000, 'x'))",
        "length(rpad('x', 2000000000))",
        "length(replace(repeat('x', 100000), 'x', repeat('y', 100000)))",
        "levenshtein(repeat(who, 100000), repeat('y', 100000))",
    ] {
        for from in ["", " FROM log"] {
            let sql = format!("SELECT {expression} AS n{from}");
            if from.is_empty() && sql.contains("who") {
                continue;
            }
            small.query("raw", &sql).failed(8, "shorten its texts");
        }
    }
    let sql = "SELECT max(length(repeat(who, 100)) + length(lpad(who, 7, 'x'))) AS n FROM log";
    assert_eq!(small.query("raw", sql).ok().out, "n\n107\n");
}

#[test]
fn an_answer_with_too_many_rows_prints_none() {
    let small = near_the_limit(&[DAY]);
    for format in ["csv", "json", "ndjson", "parquet", "table"] {
        let args = ["query", "SELECT who FROM log", "--max-rows", "2", "--format", format];
        let ran = small.sandbox.run(&args).failed(8, "more than 2 rows");
        assert_eq!(ran.out, "", "{format}");
    }
    let args = ["query", "SELECT who FROM log ORDER BY 1", "--max-rows", "3", "--format", "csv"];
    assert_eq!(small.sandbox.run(&args).ok().out, "who\na\nb\nc\n");
}

#[test]
fn a_definition_without_an_order_has_a_whole_life() {
    let small = Small::of(DEFINITION);
    for batch in 0..10 {
        small.append(&batch.to_string(), &[DAY], &["a", "b"], batch).ok();
    }
    for line in ["rollup", "compact", "erase --where who=b", "rollup --compact", "verify"] {
        small.run(line).ok();
    }
    assert_eq!(small.counts("raw"), ["2026-01-03 a 10"]);
    assert_eq!(small.counts("auto"), ["2026-01-03 a 10"]);
}

/// Conditions that DataFusion's own rules would misread or cut off keep their meaning.
#[test]
fn conditions_mean_what_they_say() {
    let small = Small::of(DEFINITION);
    let mut lines = String::new();
    for (at, who) in [("05:00:00", "a"), ("08:00:00", "b"), ("06:00:00", "c"), ("07:00:00", "d")] {
        lines += &format!("{{\"at\":\"{DAY}T{at}Z\",\"who\":\"{who}\",\"v\":1,\"d\":3}}\n");
        small.append_lines(who, lines.lines().last().unwrap()).ok();
    }
    let of_day = format!("CAST(at AS DATE) = '{DAY}'");
    for rolled in [false, true] {
        if rolled {
            small.run("rollup").ok();
        }
        for (sql, expected) in [
            (format!("SELECT who FROM log WHERE {of_day} ORDER BY at"), "a c d b"),
            (format!("SELECT who FROM log WHERE {of_day} ORDER BY at DESC LIMIT 1"), "b"),
            (format!("SELECT first_value(who ORDER BY at DESC) AS f FROM log WHERE {of_day}"), "b"),
            (format!("SELECT count(*) AS n FROM log WHERE at < '{DAY}T05:00:00.0000005Z'"), "1"),
            (format!("SELECT count(*) AS n FROM log WHERE at >= '{DAY}T05:00:00.0000005Z'"), "3"),
            (format!("SELECT count(*) AS n FROM log WHERE '{DAY}T05:00:00.0000005Z' > at"), "1"),
            (format!("SELECT count(*) AS n FROM log WHERE at = '{DAY}T05:00:00.0000005Z'"), "0"),
            (format!("SELECT count(*) AS n FROM log WHERE at <> '{DAY}T05:00:00.0000005Z'"), "4"),
            (format!("SELECT count(*) AS n FROM log WHERE at IN ('{DAY}T05:00:00.0000005Z')"), "0"),
            (
                format!(
                    "SELECT count(*) AS n FROM log WHERE at BETWEEN '{DAY}T05:00:00.0000005Z' AND \
                     TIMESTAMP '{DAY} 07:00:00.0000005'"
                ),
                "2",
            ),
            ("SELECT count(*) AS n FROM log WHERE at < TIMESTAMP '9999-12-31'".to_owned(), "4"),
            (
                "SELECT count(*) AS n FROM log WHERE v IN (1, 2) AND v NOT IN (3, NULL)".to_owned(),
                "0",
            ),
            ("SELECT count(*) AS n FROM log WHERE v IN (1, NULL)".to_owned(), "4"),
            ("SELECT count(*) AS n FROM log WHERE CAST(d + 0.5 AS BIGINT) = 3".to_owned(), "4"),
            ("SELECT count(*) AS n FROM log WHERE CAST(d / 2 AS BIGINT) = 1".to_owned(), "4"),
        ] {
            for route in ["raw", "auto"] {
                let found = small.query(route, &sql).ok().out;
                let found: Vec<_> = found.lines().skip(1).collect();
                assert_eq!(found.join(" "), expected, "{route} {sql}");
            }
        }
    }
}

const FILTERED: &str = r#"
name = "log"
table = "log"
time = "at"
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "who", type = "text", required = true },
  { name = "v", type = "integer" },
  { name = "paid", type = "boolean" },
]
[[rollup]]
name = "paid"
grain = "day"
dimensions = ["who"]
measures = ["count(*) as n", "sum(v) as v"]
filter = "paid"
"#;

#[test]
fn a_rollup_of_some_rows_serves_these_and_lets_no_others_go() {
    let small = Small::of(FILTERED);
    let line = |who: &str, paid: &str| {
        format!("{{\"at\":\"{DAY}T05:00:00Z\",\"who\":\"{who}\",\"v\":2,\"paid\":{paid}}}\n")
    };
    let lines = line("a", "true") + &line("a", "false") + &line("b", "null");
    small.sandbox.run_with(&["append", "--format", "ndjson"], lines.as_bytes()).ok();
    small.run("rollup").ok();
    for condition in ["paid", "paid IS TRUE", "paid = true"] {
        let sql = format!("SELECT who, count(*) AS n FROM log WHERE {condition} GROUP BY 1");
        for route in ["raw", "rollup"] {
            assert_eq!(small.query(route, &sql).ok().out, "who,n\na,1\n", "{route} {condition}");
        }
    }
    let ran = small.run("purge --older-than 9d");
    assert!(ran.err.contains("each rollup has a filter"), "{ran:?}");
    assert_eq!(small.query("auto", "SELECT count(*) AS n FROM log").ok().out, "n\n3\n");
}

/// Where SQL leaves the answer over aggregated rows open, every route and every run gives the same
/// answer.
#[test]
fn ties_among_aggregated_rows_are_broken() {
    let small = Small::of(DEFINITION);
    let plans: Vec<_> = (0..40).map(|at| format!("w{:02},{}\n", at % 9, at % 2)).collect();
    let plans = small.sandbox.write("plans.csv", format!("org,plan\n{}", plans.concat()));
    for batch in 0..4 {
        let who: Vec<_> = (0..12).map(|at| format!("w{:02}", (at * 7 + batch) % 12)).collect();
        let who: Vec<_> = who.iter().map(String::as_str).collect();
        small.append(&batch.to_string(), &[DAY, "2026-01-04"], &who, 1).ok();
    }
    let queries = [
        "SELECT d, who FROM (SELECT date AS d, who, count(*) AS n, row_number() OVER (PARTITION BY date \
         ORDER BY count(*) DESC) AS r FROM log GROUP BY 1, 2) WHERE r <= 3",
        "SELECT who, row_number() OVER (ORDER BY n) AS r, lag(who) OVER (ORDER BY n) AS l, first_value(who) \
         OVER (ORDER BY n) AS f FROM (SELECT who, count(*) AS n FROM log GROUP BY 1)",
        "SELECT string_agg(who, ',') AS s, first_value(who) AS f FROM (SELECT who, count(*) AS n FROM log \
         GROUP BY 1)",
        "SELECT n, string_agg(who, ',' ORDER BY n) AS s FROM (SELECT who, count(*) AS n FROM log GROUP BY \
         1) GROUP BY 1",
        "SELECT p.plan, g.who FROM (SELECT who, count(*) AS n FROM log GROUP BY 1) g JOIN plans p ON p.org = \
         g.who LIMIT 7",
        "SELECT plan, string_agg(who, ',') AS s FROM (SELECT DISTINCT who FROM log) g JOIN plans p ON p.org = \
         g.who GROUP BY 1",
        "SELECT who, sum(n) OVER (ORDER BY n ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, rank() OVER \
         (ORDER BY n) AS k FROM (SELECT who, count(*) AS n FROM log GROUP BY 1) LIMIT 5",
    ];
    let mut expected = Vec::new();
    for state in ["bare", "mixed", "full"] {
        match state {
            "mixed" => drop(small.run(&format!("rollup --to {DAY}")).ok()),
            "full" => drop(small.run("rollup").ok()),
            _ => {}
        }
        for (at, sql) in queries.iter().enumerate() {
            for route in ["raw", "auto", "raw", "auto", "raw"] {
                let table = format!("plans={}", plans.display());
                let args = ["query", sql, "--format", "csv", "--route", route, "--table", &table];
                let args = [&args[..], &["--set", "rollup.min_span=0"]].concat();
                let found = small.sandbox.run(&args).ok().out;
                if expected.len() == at {
                    expected.push(found.clone());
                }
                assert_eq!(Some(&found), expected.get(at), "{state} {route} {sql}");
            }
        }
    }
}
