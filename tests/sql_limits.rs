//! Values at the limits of their types, texts at the limits of the parser, and answers at the limit
//! of their rows: right, or an error, by every route.

use crate::support::{Ran, small::Small};

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

/// `a` has a sum that has room in no BIGINT, on two days of which each has one that does; so has
/// `b` of decimals.
fn near_the_limit(days: &[&str]) -> Small {
    let small = Small::of(DEFINITION);
    let nines = "9".repeat(38);
    for day in days {
        let lines = format!(
            "{{\"at\":\"{day}T05:00:00Z\",\"who\":\"a\",\"v\":{MAX},\"d\":1}}\n\
             {{\"at\":\"{day}T06:00:00Z\",\"who\":\"b\",\"v\":1,\"d\":{nines}}}\n\
             {{\"at\":\"{day}T07:00:00Z\",\"who\":\"c\",\"v\":3,\"d\":2}}\n"
        );
        let args = ["append", "--batch", day, "--format", "ndjson"];
        small.sandbox.run_with(&args, lines.as_bytes()).ok();
    }
    small
}

fn ask(small: &Small, route: &str, sql: &str) -> Ran {
    let args = ["query", sql, "--format", "csv", "--route", route, "--set", "rollup.min_span=0"];
    small.sandbox.run(&args)
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
            ask(&small, route, all).failed(3, &format!("sum(log.v) {beyond}"));
            ask(&small, route, "SELECT sum(DISTINCT v) FROM log WHERE who <> 'b'")
                .failed(3, beyond);
            ask(&small, route, "SELECT sum(v) OVER (ORDER BY at) FROM log").failed(3, beyond);
            let beyond = "is beyond what a DECIMAL(38, 0) can hold";
            ask(&small, route, "SELECT sum(d) AS s FROM log").failed(3, beyond);
            // What has room is right beside it.
            let some = "SELECT who, sum(v) AS v, sum(d) AS d FROM log WHERE who = 'c' GROUP BY 1";
            assert_eq!(ask(&small, route, some).ok().out, "who,v,d\nc,6,4\n", "{state} {route}");
            let wide =
                "SELECT sum(CAST(v AS DECIMAL(38, 0))) AS s, avg(v) AS a FROM log WHERE who = 'a'";
            let expected = format!("s,a\n{},9.223372036854776e18\n", 2 * i128::from(MAX));
            assert_eq!(ask(&small, route, wide).ok().out, expected, "{state} {route}");
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
    assert_eq!(ask(&small, "rollup", counts).ok().out, "who,n\na,2\nb,1\nc,1\n");
    let sum = "SELECT sum(v) AS s FROM log WHERE who = 'c'";
    assert_eq!(ask(&small, "auto", sum).ok().out, "s\n3\n");
}

#[test]
fn arithmetic_without_room_is_an_error() {
    let small = near_the_limit(&[DAY]);
    for expression in ["v + 1", "v * 2", "-2 - v", "v * v"] {
        let sql = format!("SELECT max({expression}) AS x FROM log");
        let ran = ask(&small, "raw", &sql);
        ran.failed(3, "overflow");
    }
    let sql = "SELECT who, sum(v * 2) AS s, max(v + 1) AS m FROM log WHERE who = 'c' GROUP BY who";
    assert_eq!(ask(&small, "auto", sql).ok().out, "who,s,m\nc,6,4\n");
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
                let ran = ask(&small, route, &sql).ok();
                assert_eq!(ran.out.lines().count(), 1 + rows, "{route} {sql}: {ran:?}");
                let sql =
                    format!("SELECT * FROM (SELECT count(*) AS n FROM log) WHERE {condition}");
                if !condition.starts_with("count") {
                    let ran = ask(&small, route, &sql).ok();
                    assert_eq!(ran.out.lines().count(), 1 + rows, "{route} {sql}: {ran:?}");
                }
            }
        }
    }
}

#[test]
fn subqueries_answer_by_every_route() {
    let small = near_the_limit(&[DAY, "2026-01-04"]);
    let questions = [
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
        for (at, sql) in questions.iter().enumerate() {
            for route in ["raw", "auto"] {
                let found = ask(&small, route, sql).ok().out;
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
    ask(&small, "auto", sql).failed(3, "INTERSECT ALL isn't supported");
    let sql = "SELECT * FROM (SELECT who FROM log EXCEPT ALL SELECT who FROM log WHERE v > 2) t";
    ask(&small, "auto", sql).failed(3, "EXCEPT ALL isn't supported");
    for (sql, words) in [
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
            ask(&small, route, sql).failed(3, words);
        }
    }
    let sql = format!("SELECT 1 WHERE {}true{}", "NOT (".repeat(40), ")".repeat(40));
    ask(&small, "auto", &sql).failed(8, "`NOT (` inside each other");
    let sql = format!("SELECT 1{}", "+1".repeat(20_000));
    ask(&small, "auto", &sql).failed(8, "operators");
    let sql = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(3_000));
    ask(&small, "auto", &sql).failed(8, "SELECTs");
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
