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

/// Casts from dates to times are of UTC in DataFusion.
#[test]
fn a_date_beside_a_time_begins_in_the_zone() {
    let small = Small::new();
    for (batch, at) in [("one", "2026-03-19T23:30:00Z"), ("two", "2026-03-20T22:30:00Z")] {
        let line = format!("{{\"at\":\"{at}\",\"who\":\"a\",\"v\":1}}\n");
        small.append_lines(batch, &line).ok();
    }
    small.run("rollup").ok();
    let count = |zone: &str, route: &str, condition: &str| {
        let sql = format!("SELECT count(*) AS n FROM log WHERE {condition}");
        let args = ["query", &sql, "--format", "csv", "--time-zone", zone, "--route", route];
        small.sandbox.run(&[&args[..], &["--set", "rollup.min_span=0"]].concat()).ok().out
    };
    for (condition, in_berlin, in_utc) in [
        ("at >= DATE '2026-03-20'", 2, 1),
        ("DATE '2026-03-21' <= at", 0, 0),
        ("at BETWEEN date AND date + 1", 2, 2),
        ("date_trunc('day', at) = date", 2, 2),
        ("date_trunc('day', at) IN (DATE '2026-03-20')", 2, 1),
        ("coalesce(date, at) > '2026-03-19 12:00:00'", 2, 1),
        ("CAST(at AS TIMESTAMP) >= '2026-03-20'", 2, 1),
        ("CAST(CAST(at AS TIMESTAMP) AS DATE) = date", 2, 2),
        ("at >= to_timestamp('2026-03-20 00:00:00')", 2, 1),
        ("date_trunc('day', now()) = current_date", 2, 2),
    ] {
        for route in ["raw", "auto"] {
            let expected = |n: usize| format!("n\n{n}\n");
            assert_eq!(
                count("Europe/Berlin", route, condition),
                expected(in_berlin),
                "{condition}"
            );
            assert_eq!(count("UTC", route, condition), expected(in_utc), "{condition}");
        }
    }
}

/// Whether DataFusion evaluates both sides of AND depends on how many rows pass the first.
#[test]
fn a_condition_that_fails_is_asked_of_the_rows_that_are_left() {
    let small = Small::new();
    let many: Vec<_> = std::iter::repeat_n("x", 100).collect();
    for day in ["2026-01-03", "2026-01-04"] {
        small.append(&format!("{day}a"), &[day], &many, 0).ok();
        small.append(&format!("{day}b"), &[day], &["1", "2"], 2).ok();
    }
    small.run("rollup").ok();
    for (condition, expected) in [
        ("who <> 'x' AND CAST(who AS BIGINT) > 1", "n\n2\n"),
        ("CAST(who AS BIGINT) > 1 AND who <> 'x'", "n\n2\n"),
        ("who = 'x' OR CAST(who AS BIGINT) > 1", "n\n202\n"),
        ("who <> 'x' AND 10 / (CAST(who AS BIGINT) - 1) > 4 AND who <> '1'", "n\n2\n"),
        ("v <> 0 AND 10 / v > 4", "n\n4\n"),
        ("v <> 0 AND 10 % v = 0", "n\n4\n"),
    ] {
        both(&small, &format!("SELECT count(*) AS n FROM log WHERE {condition}"), expected);
        let sql = format!("SELECT count(*) FILTER (WHERE {condition}) AS n FROM log");
        both(&small, &sql, expected);
    }
    let sql = "SELECT who, count(*) AS n FROM log WHERE who <> 'x' GROUP BY 1 HAVING CAST(who AS BIGINT) > 1";
    both(&small, sql, "who,n\n2,2\n");
}

#[test]
fn constants_without_room_are_errors() {
    let small = rolled_up(SMALL_LOG);
    for (sql, expected) in [
        ("9223372036854775807 + 1", None),
        ("9223372036854775807 * 2", None),
        ("-9223372036854775807 - 2", None),
        ("- (-9223372036854775807 - 1)", None),
        ("CAST(127 AS TINYINT) + CAST(1 AS TINYINT)", None),
        ("CAST(0 AS BIGINT UNSIGNED) - CAST(1 AS BIGINT UNSIGNED)", None),
        ("CAST(99999999999999999999999999999999999999 AS DECIMAL(38, 0)) + 1", None),
        ("9223372036854775806 + 1", Some("n\n9223372036854775807\n")),
    ] {
        for from in ["", " FROM log LIMIT 1"] {
            let sql = format!("SELECT {sql} AS n{from}");
            for route in ["raw", "auto"] {
                let ran = small.query(route, &sql);
                match expected {
                    Some(expected) => assert_eq!(ran.ok().out, expected, "{sql}"),
                    None => drop(ran.failed(3, "beyond what its type can hold")),
                }
            }
        }
    }
    let huge = "CAST(99999999999999999999999999999999999999 AS DECIMAL(38, 0))";
    for sql in [format!("max({huge} + v)"), format!("max(-{huge} - v)")] {
        small.query("raw", &format!("SELECT {sql} FROM log")).failed(3, "beyond what its type");
    }
}

/// DataFusion subtracts rows that leave a frame, and keeps what rounding left of them.
#[test]
fn sums_of_doubles_over_moving_frames_are_exact() {
    let small = rolled_up(SMALL_LOG);
    let rows = "(SELECT 1 AS x, CAST(1e16 AS DOUBLE) AS y UNION ALL SELECT 2, 1 UNION ALL SELECT 3, 0.1 \
                UNION ALL SELECT 4, NULL UNION ALL SELECT 5, NULL UNION ALL SELECT 6, CAST('inf' AS DOUBLE) \
                UNION ALL SELECT 7, 0.2 UNION ALL SELECT 8, 0.1) AS t";
    let over = "OVER (ORDER BY x ROWS 1 PRECEDING)";
    let sql = format!("SELECT x, sum(y) {over} AS s, avg(y) {over} AS a FROM {rows} ORDER BY x");
    let expected = "x,s,a\n1,1e16,1e16\n2,1e16,5000000000000000.0\n3,1.1,0.55\n4,0.1,0.1\n5,,\n6,inf,inf\n\
                    7,inf,inf\n8,0.30000000000000004,0.15000000000000002\n";
    both(&small, &sql, expected);
    small
        .query("raw", &format!("SELECT var_pop(y) {over} FROM {rows}"))
        .failed(3, "begin the frame with UNBOUNDED PRECEDING");
}

#[test]
fn what_was_given_another_meaning_is_refused_or_right() {
    let small = rolled_up(SMALL_LOG);
    let people = small.sandbox.write("people.csv", "name,n\na,1\n,2\n");
    let people = format!("people={}", people.display());
    let ask = |sql: &str| small.sandbox.run(&["query", sql, "--format", "csv", "--table", &people]);
    let of_people = "(SELECT name FROM people)";
    for condition in [
        format!("who NOT IN {of_people} OR v = 9"),
        format!("(who IN {of_people}) IS NULL"),
        format!("(who IN {of_people}) IS NOT TRUE"),
        format!("NOT (who IN {of_people} AND v = 1)"),
        format!("coalesce(who IN {of_people}, true)"),
        format!("CASE WHEN who NOT IN {of_people} THEN true ELSE false END"),
    ] {
        ask(&format!("SELECT who FROM log WHERE {condition}")).failed(3, "write");
    }
    for (condition, expected) in [
        (format!("who IN {of_people} OR v = 100"), "n\n2\n"),
        (format!("who NOT IN {of_people}"), "n\n0\n"),
        (format!("who IN {of_people} AND v = 1"), "n\n1\n"),
    ] {
        let sql = format!("SELECT count(*) AS n FROM log WHERE {condition}");
        assert_eq!(ask(&sql).ok().out, expected, "{condition}");
    }
    for (sql, words) in [
        ("SELECT count(DISTINCT *) FROM log", "SELECT DISTINCT"),
        ("SELECT approx_percentile(DISTINCT v, 0.5) FROM log", "SELECT DISTINCT"),
        ("SELECT corr(DISTINCT v, v) FROM log", "SELECT DISTINCT"),
        ("SELECT upper(DISTINCT who) FROM log", "function of one row"),
        ("SELECT upper(who) OVER () FROM log", "function of one row"),
        ("SELECT upper(who) FILTER (WHERE v = 1) FROM log", "function of one row"),
        ("SELECT v ^ 2 FROM log", "power(a, b)"),
        ("SELECT who FROM log GROUP BY ROLLUP (1)", "name the column"),
        ("SELECT to_char(at, 'YYYY-MM') FROM log", "'%Y-%m-%d %H:%M:%S'"),
    ] {
        ask(sql).failed(3, words);
    }
    both(
        &small,
        "SELECT '1.45' = 1.5 AS a, t = 1.5 AS b FROM (SELECT '1.45' AS t) AS x",
        "a,b\nfalse,false\n",
    );
    let sql = "SELECT x FROM (VALUES (CAST(1e-20 AS DOUBLE)), (0.1), (-7)) AS t (x)";
    both(&small, sql, "x\n1e-20\n0.1\n-7.0\n");
}

#[test]
fn rows_that_only_decide_about_others_give_them_no_order() {
    let small = Small::new();
    let who: Vec<_> = (0..40).map(|at| format!("w{at:02}")).collect();
    let who: Vec<_> = who.iter().map(String::as_str).collect();
    for day in ["2026-01-03", "2026-01-04"] {
        small.append(day, &[day], &who, 1).ok();
    }
    let groups = "(SELECT who AS o, count(*) AS n FROM log GROUP BY 1) AS t";
    let exists = "EXISTS (SELECT 1 FROM log k WHERE k.who = t.o AND k.v > 0)";
    for _ in 0..5 {
        let sql = format!("SELECT o FROM {groups} WHERE {exists} LIMIT 3");
        both(&small, &sql, "o\nw00\nw01\nw02\n");
        let sql = "SELECT who FROM log EXCEPT SELECT 'w00' LIMIT 2";
        both(&small, sql, "who\nw01\nw02\n");
        let sql = format!(
            "SELECT first_value(DISTINCT o) AS f, string_agg(DISTINCT o, '') AS s FROM {groups} WHERE o < 'w03'"
        );
        both(&small, &sql, "f,s\nw00,w00w01w02\n");
    }
}
