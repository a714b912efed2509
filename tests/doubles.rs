//! Sums of doubles, and values computed from such sums: the same digits by every route, in every
//! run.

use crate::support::small::Small;

const DEFINITION: &str = r#"
name = "log"
table = "log"
time = "at"
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "who", type = "text", required = true },
  { name = "f", type = "float" },
  { name = "c", type = "decimal(18, 6)" },
]
[[rollup]]
name = "by_who"
grain = "day"
dimensions = ["who"]
measures = ["sum(c) as total", "count(*) as n"]
"#;

const DAYS: [&str; 4] = ["2026-01-03", "2026-01-04", "2026-01-05", "2026-01-06"];

/// Rows whose doubles add up to 7.5 in any order if each addition is exact. If additions round,
/// most orders give another sum.
fn hard_to_add() -> Small {
    let small = Small::of(DEFINITION);
    let cents = (0..40).map(|at| format!("0.{:02}", at * 7 % 40));
    for (batch, day) in DAYS.iter().enumerate() {
        let mut lines = String::new();
        for (at, c) in cents.clone().enumerate() {
            let f = match (at + batch * 11) % 40 {
                0 => "1e100",
                1 => "-1e100",
                2 => "-0.0",
                3 => "1.875",
                4 => "1e-320",
                5 => "-1e-320",
                _ => "0.0",
            };
            lines += &format!(
                "{{\"at\":\"{day}T05:00:{at:02}Z\",\"who\":\"w{}\",\"f\":{f},\"c\":{c}}}\n",
                at * 3 % 7
            );
        }
        small.append_lines(day, &lines).ok();
    }
    small
}

/// Runs the query in three states of the root, by both routes, several times. Gives the answer,
/// which must be the same each time.
fn only_answer(sql: &str) -> String {
    let small = hard_to_add();
    let mut answers = Vec::new();
    for state in ["bare", "mixed", "full"] {
        match state {
            "mixed" => drop(small.run(&format!("rollup --to {}", DAYS[1])).ok()),
            "full" => drop(small.run("rollup").ok()),
            _ => {}
        }
        for _ in 0..3 {
            answers.extend(["raw", "auto"].map(|route| small.query(route, sql).ok().out));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{sql}\n{}", answers.join("\n"));
    answers.pop().unwrap()
}

#[test]
fn sums_and_averages_of_doubles_are_exact() {
    let sql = "SELECT sum(f) AS s, avg(f) AS a, sum(DISTINCT f) AS d, sum(f) FILTER (WHERE f > 1e9) AS b, \
               min(f) FILTER (WHERE f = 0) AS z, max(f) FILTER (WHERE f = 0) AS y FROM log";
    assert_eq!(only_answer(sql), "s,a,d,b,z,y\n7.5,0.046875,1.875,4e100,0.0,0.0\n");
    let sql =
        "SELECT who, sum(f) AS s, avg(f) AS a, sum(CAST(c AS DOUBLE)) AS c FROM log GROUP BY 1";
    only_answer(sql);
    assert_eq!(only_answer("SELECT sum(f) AS s, avg(f) AS a FROM log WHERE f > 1e200"), "s,a\n,\n");
}

#[test]
fn folds_of_doubles_over_groups_have_one_order() {
    let groups =
        "(SELECT who, date AS d, sum(c) / 3 AS s, count(*) / 7.0 AS n FROM log GROUP BY 1, 2)";
    for calls in [
        "stddev(s), var_pop(s), corr(s, n), covar_samp(s, n)",
        "regr_slope(s, n), regr_r2(n, s), approx_median(s), median(s)",
        "approx_percentile_cont(0.3) WITHIN GROUP (ORDER BY s), sum(CAST(s AS DOUBLE) / 3)",
    ] {
        only_answer(&format!("SELECT {calls} FROM {groups}"));
        only_answer(&format!("SELECT d, {calls} FROM {groups} GROUP BY 1"));
        only_answer(&format!(
            "SELECT who, {calls} FROM {groups} WHERE s > 0.2 GROUP BY ROLLUP (who)"
        ));
    }
}

/// A literal beside a double is a double: no digit of either is lost.
#[test]
fn decimals_beside_doubles_are_doubles() {
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) AS n FROM log WHERE {condition}");
        only_answer(&sql).trim_start_matches("n\n").trim_end().parse::<u32>().unwrap()
    };
    for (condition, rows) in [
        ("f > 0.0", 12),
        ("f > 1.5", 8),
        ("0.5 > f", 152),
        ("f BETWEEN 0.1 AND 2.5", 4),
        ("f IN (1.875, 0.25)", 4),
        ("f * 2.0 = 3.75", 4),
        ("coalesce(f, 0.5) > 1e99", 4),
        ("CASE WHEN f > 1.0 THEN f ELSE 0.5 END > 1e99", 4),
        ("nullif(f, 1.875) IS NULL", 4),
        ("c > 0.1 AND f IS DISTINCT FROM 0.0", 12),
    ] {
        assert_eq!(count(condition), rows, "{condition}");
    }
}

/// Decimals and doubles are also combined as doubles between two queries, as in UNION or IN.
#[test]
fn decimals_and_doubles_meet_as_doubles() {
    for (sql, expected) in [
        (
            "SELECT max(f) AS x FROM log UNION ALL SELECT max(c) FROM log ORDER BY 1",
            "x\n0.39\n1e100\n",
        ),
        (
            "SELECT max(c) AS x FROM log UNION SELECT 1e-20 * f FROM log WHERE f > 1e99 ORDER BY 1",
            "x\n0.39\n1e80\n",
        ),
        ("SELECT count(*) AS n FROM log WHERE f IN (SELECT 1.875)", "n\n4\n"),
        ("SELECT count(*) AS n FROM log WHERE f NOT IN (SELECT 0.0)", "n\n20\n"),
        ("SELECT count(*) AS n FROM log WHERE f > ALL (SELECT 0.0)", "n\n12\n"),
        ("SELECT count(*) AS n FROM (SELECT f FROM log INTERSECT SELECT 1.875)", "n\n1\n"),
        ("SELECT count(*) AS n FROM log JOIN (SELECT 1.875 AS x) t ON f = x", "n\n4\n"),
        ("SELECT count(*) AS n FROM log WHERE f IN (0, 11, 12, 13, 14)", "n\n140\n"),
        ("SELECT count(DISTINCT f) AS n, count(nullif(f, 0)) AS m FROM log", "n,m\n6,20\n"),
    ] {
        assert_eq!(only_answer(sql), expected, "{sql}");
    }
    let sql = "SELECT who, avg(CAST(c AS DOUBLE)) - sum(CAST(c AS DOUBLE)) / count(c) AS d FROM log GROUP BY 1";
    let digits = only_answer(sql);
    assert!(digits.lines().skip(1).all(|line| line.ends_with(",0.0")), "{digits}");
}

/// A joined side with a sum of doubles is the same in each run, so rollups can serve the other
/// side.
#[test]
fn a_share_of_a_total_of_doubles_is_served_by_rollups() {
    let sql = "SELECT l.who, sum(l.c) / t.total AS share FROM log l CROSS JOIN (SELECT sum(CAST(c AS \
               DOUBLE)) AS total FROM log) t GROUP BY l.who, t.total";
    assert_eq!(only_answer(sql).lines().count(), 8);
    let small = hard_to_add();
    small.run("rollup").ok();
    let args = ["query", sql, "--explain", "--set", "rollup.min_span=0"];
    let explained = small.sandbox.run(&args).ok().out;
    assert!(explained.contains("4 from by_who"), "{explained}");
}
