//! Queries that were once answered with another meaning than SQL gives them, by every route.

use crate::support::{SMALL_LOG, small::Small};

/// Two days, rolled up: a has 1, b has 100.
fn rolled_up(definition: &str) -> Small {
    let small = Small::of(definition);
    small.append("one", &["2026-01-03"], &["a"], 1).ok();
    small.append("two", &["2026-01-04"], &["b"], 100).ok();
    small.run("rollup").ok();
    small
}

#[track_caller]
fn both(small: &Small, sql: &str, expected: &str) {
    for route in ["raw", "auto"] {
        assert_eq!(small.query(route, sql).ok().out, expected, "{route}: {sql}");
    }
}

/// Asks the query under each condition, by both routes.
#[track_caller]
fn under(small: &Small, select: &str, cases: &[(&str, &str)], then: &str) {
    for (condition, expected) in cases {
        both(small, &format!("{select} FROM log WHERE {condition}{then}"), expected);
    }
}

#[test]
fn a_subquery_in_a_filter_reads_days_of_its_own() {
    let small = rolled_up(SMALL_LOG);
    let of_other_day = "SELECT max(v) FROM log WHERE date = '2026-01-03'";
    let sql =
        format!("SELECT count(*) AS n FROM log WHERE date = '2026-01-04' AND v > ({of_other_day})");
    both(&small, &sql, "n\n1\n");
    let sql = "SELECT count(*) AS n FROM log WHERE date = '2026-01-03' AND (v < (SELECT avg(v) FROM log) OR who = 'z')";
    both(&small, sql, "n\n1\n");
    let sql = "SELECT who FROM log WHERE date = '2026-01-03' GROUP BY 1 HAVING who = (SELECT max(who) FROM log)";
    both(&small, sql, "who\n");
    let sql = "SELECT who FROM log WHERE date = '2026-01-03' AND v <= (SELECT v FROM log WHERE date = '2026-01-04')";
    both(&small, sql, "who\na\n");
    let sql = "WITH m AS (SELECT max(date) AS d FROM log) SELECT count(*) AS n FROM log \
               WHERE date < '2026-01-04' AND date < (SELECT d FROM m)";
    both(&small, sql, "n\n1\n");
}

#[test]
fn is_distinct_from_binds_more_than_and_and_or() {
    let small = rolled_up(SMALL_LOG);
    let cases = [
        ("who IS NOT DISTINCT FROM 'a' AND v = 100", "who\n"),
        ("who IS DISTINCT FROM 'a' OR v = 1", "who\na\nb\n"),
        ("NOT who IS DISTINCT FROM 'a' AND v = 1", "who\na\n"),
        ("v IS DISTINCT FROM NULL AND who IS DISTINCT FROM 'a' IS TRUE", "who\nb\n"),
    ];
    under(&small, "SELECT who", &cases, " ORDER BY 1");
}

#[test]
fn a_constant_among_grouping_sets_is_ordered() {
    let small = rolled_up(SMALL_LOG);
    for constant in
        ["who = who", "'x' = 'x'", "at < TIMESTAMP '2026-01-04' OR at >= TIMESTAMP '2026-01-04'"]
    {
        let sql = format!(
            "SELECT ({constant}) AS c, count(*) AS n FROM log GROUP BY ROLLUP (({constant})) ORDER BY c LIMIT 1"
        );
        both(&small, &sql, "c,n\ntrue,2\n");
    }
}

#[test]
fn a_distinct_count_beside_a_sum_of_decimals() {
    let small = rolled_up(&SMALL_LOG.replace("\"integer\"", "\"decimal(18,6)\""));
    let sql = "SELECT count(DISTINCT who) AS n FROM log HAVING sum(v) > 1";
    both(&small, sql, "n\n2\n");
    let sql = "SELECT arrow_typeof(sum(v)) AS t, count(DISTINCT who) AS n FROM log";
    assert_eq!(small.query("raw", sql).ok().out, small.query("auto", sql).ok().out);
}

#[test]
fn nobody_is_erased_by_an_empty_name() {
    let small = rolled_up(SMALL_LOG);
    let args = ["erase", "--organization", "", "--dry-run"];
    small.sandbox.run(&args).failed(3, "is empty");
}

/// The parts of grouping sets are changed on the way into a plan, and keep their names.
#[test]
fn computed_parts_of_grouping_sets_are_as_in_a_subquery() {
    let small = rolled_up(SMALL_LOG);
    for part in [
        "NOT (who IN ('a', 'c'))",
        "NOT (who LIKE 'a%')",
        "NOT (v BETWEEN 2 AND 5)",
        "who NOT IN ('a', NULL)",
        "at < '2026-01-03T05:00:00.0000005Z'",
        "CAST(v AS DOUBLE) > 0.1",
        "v + 1",
    ] {
        let expected = format!(
            "SELECT p, grouping(p) AS g, count(*) AS n FROM (SELECT {part} AS p, who FROM log) \
             GROUP BY CUBE (p, who) ORDER BY 1, 2, 3"
        );
        let expected = small.query("raw", &expected).ok().out;
        let sql = format!(
            "SELECT {part} AS p, grouping({part}) AS g, count(*) AS n FROM log \
             GROUP BY CUBE ({part}, who) ORDER BY 1, 2, 3"
        );
        both(&small, &sql, &expected);
        let sql = format!(
            "SELECT grouping({part}) AS g, count(*) AS n FROM log GROUP BY {part} ORDER BY 2 LIMIT 1"
        );
        assert!(small.query("auto", &sql).ok().out.starts_with("g,n\n0,"), "{part}");
    }
    let sql = "SELECT count(*) FROM log GROUP BY ROLLUP (v + 9223372036854775807)";
    small.query("raw", sql).failed(3, "beyond what its type can hold");
}

#[test]
fn any_and_all_of_the_same_table_compare_with_the_outer_row() {
    let small = rolled_up(SMALL_LOG);
    let cases = [
        ("who = ANY (SELECT who FROM log WHERE v = 100)", "n\n1\n"),
        ("v >= ALL (SELECT v FROM log)", "n\n1\n"),
        ("v < ANY (SELECT v FROM log)", "n\n1\n"),
        ("date > ANY (SELECT date FROM log WHERE who = log.who)", "n\n1\n"),
    ];
    under(&small, "SELECT count(*) AS n", &cases, "");
}

#[test]
fn a_part_of_a_day_is_added_to_a_dates_first_instant() {
    let small = rolled_up(SMALL_LOG);
    let cases = [
        ("at < date + INTERVAL '5 hours 1 second'", "n\n2\n"),
        ("at > date + INTERVAL '5 hours'", "n\n0\n"),
        ("at >= INTERVAL '4 hours' + DATE '2026-01-04'", "n\n1\n"),
        ("at < date - INTERVAL '1 hour'", "n\n0\n"),
        ("date = DATE '2026-01-03' + INTERVAL '1 day'", "n\n1\n"),
    ];
    under(&small, "SELECT count(*) AS n", &cases, "");
}

#[test]
fn what_would_get_another_meaning_is_refused() {
    let small = rolled_up(SMALL_LOG);
    let grouped = "(SELECT who, date AS d, count(*) AS n FROM log GROUP BY 1, 2)";
    for (sql, words) in [
        ("SELECT max(at) - min(at) > INTERVAL '1 day' FROM log", "intervals can't be compared"),
        (
            "SELECT count(*) FROM log WHERE at - TIMESTAMP '2026-01-03' < INTERVAL '1 day'",
            "intervals",
        ),
        ("SELECT INTERVAL '1 day' IN (INTERVAL '24 hours')", "intervals can't be compared"),
        (
            "SELECT sum(n) OVER (ORDER BY who RANGE 1 PRECEDING) FROM {grouped}",
            "RANGE with a distance",
        ),
        (
            "SELECT sum(n) OVER v FROM {grouped} WINDOW w AS (PARTITION BY who), v AS (w ORDER BY d)",
            "write both in one OVER",
        ),
        (
            "SELECT sum(n) OVER (w ORDER BY d) FROM {grouped} WINDOW w AS (PARTITION BY who)",
            "write both in one OVER",
        ),
        ("SELECT who FROM log RIGHT JOIN (SELECT 'z' AS who) z USING (who)", "coalesce(a.x, b.x)"),
        ("SELECT * FROM log NATURAL FULL JOIN (SELECT 'z' AS who) z", "coalesce(a.x, b.x)"),
        (
            "SELECT count(*) FROM log l WHERE EXISTS (SELECT count(*) FROM log k WHERE k.who = l.who)",
            "it always has a row",
        ),
        (
            "SELECT count(*) FROM log l WHERE EXISTS (SELECT 1 FROM log k WHERE k.who = l.who OFFSET 1)",
            "EXISTS with OFFSET",
        ),
        ("SELECT -min(v - 9223372036854775807 - 2) FROM log", "beyond what its type can hold"),
        ("SELECT v / 0 FROM log", "division by zero"),
    ] {
        for route in ["raw", "auto"] {
            small.query(route, &sql.replace("{grouped}", grouped)).failed(3, words);
        }
    }
    let sql = "SELECT who, first_value(v ORDER BY v, v DESC) AS f FROM log GROUP BY 1 ORDER BY 1";
    both(&small, sql, "who,f\na,1\nb,100\n");
    let sql = "SELECT count(*) AS n FROM log WHERE EXISTS (SELECT count(*) FROM log WHERE v > 7)";
    both(&small, sql, "n\n2\n");
}

/// DataFusion turns decimals beside texts into decimals of ten digits after the point.
#[test]
fn a_decimal_beside_a_text_keeps_its_digits() {
    let small = rolled_up(&SMALL_LOG.replace("integer", "decimal(18, 12)"));
    for v in ["1.000000000001", "1.000000000002"] {
        let line = format!("{{\"at\":\"2026-01-03T05:00:00Z\",\"who\":\"{v}\",\"v\":{v}}}\n");
        small.append_lines(v, &line).ok();
    }
    let cases = [
        ("v = '1.000000000001'", "v\n1.000000000001\n"),
        ("v = ' 1.000000000001 '", "v\n1.000000000001\n"),
        ("v > '1.000000000001' AND v < '2'", "v\n1.000000000002\n"),
        ("v = '1.0000000000019'", "v\n"),
        ("v - 1 = '1e-12'", "v\n1.000000000001\n"),
        ("v IN ('1.000000000002', '1e2')", "v\n1.000000000002\n100.000000000000\n"),
        ("v BETWEEN '1.0000000000005' AND '1.0000000000015'", "v\n1.000000000001\n"),
        ("CASE v WHEN '1.000000000001' THEN true END", "v\n1.000000000001\n"),
        (
            "v = coalesce(nullif(who, 'a'), '7') AND who > '1' AND who < '2'",
            "v\n1.000000000001\n1.000000000002\n",
        ),
        ("nullif(v, '1.000000000001') IS NULL", "v\n1.000000000001\n"),
    ];
    under(&small, "SELECT v", &cases, " ORDER BY 1");
    let sql = "SELECT sum(coalesce(v, '0')) AS s, count(*) FILTER (WHERE v = '1.000000000002') AS n FROM log";
    both(&small, sql, "s,n\n103.000000000003,1\n");
    let sql = "SELECT v FROM log JOIN (VALUES ('1.000000000002')) AS t (x) ON v = x";
    both(&small, sql, "v\n1.000000000002\n");
}
