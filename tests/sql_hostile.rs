//! Queries that would take all memory or all time: they end with an error, and other queries go on.

use std::time::{Duration, Instant};

use tallybook::{Query, Settings};

use crate::support::{Sandbox, append, day, db_at, small::Small, try_answer};

fn ended(small: &Small, sql: &str, words: &str) {
    let started = Instant::now();
    let args = ["query", sql, "--timeout", "1s", "--memory", "100MB"];
    small.sandbox.run(&args).failed(8, words);
    // A busy machine is slow; a query without a limit never ends.
    assert!(started.elapsed() < Duration::from_secs(20), "{sql}: {:?}", started.elapsed());
}

#[test]
fn what_never_ends_is_ended() {
    let small = Small::new();
    let who: Vec<_> = (0..300).map(|at| format!("w{at}")).collect();
    let who: Vec<_> = who.iter().map(String::as_str).collect();
    small.append("x", &["2026-01-03", "2026-01-04"], &who, 1).ok();
    // Joins keep all threads of the runtime busy, and one of the joins rarely yields.
    let join = "SELECT count(*) FROM log a, log b, log c, log d WHERE a.v + b.v + c.v + d.v = 7";
    ended(&small, join, "longer than 1s");
    ended(&small, &format!("{join} UNION ALL {join} UNION ALL {join}"), "longer than 1s");
    // Planning never waits, so no timeout could end it: it checks the time itself.
    let steps = (1..140).map(|at| format!(", t{at} AS (SELECT n + 1 AS n FROM t{})", at - 1));
    let steps: String = steps.collect();
    let plan = format!("WITH t0 AS (SELECT 1 AS n){steps} SELECT * FROM t139 a, t139 b, t139 c");
    let args = ["query", &plan, "--timeout", "10ms"];
    small.sandbox.run(&args).failed(8, "longer than 10ms");
}

/// A short text can have an endless plan.
#[test]
fn what_multiplies_itself_is_refused_or_ends() {
    let small = Small::new();
    small.append("x", &["2026-01-03"], &["a"], 1).ok();
    let chain = |first: &str, next: fn(usize) -> String, last: &str| {
        let parts: String = (1..30).map(next).collect();
        format!("WITH c0 AS ({first}){parts} {last}")
    };
    for next in [
        |at: usize| format!(", c{at} AS (SELECT a.v FROM c{0} a, C{0} b)", at - 1),
        |at: usize| format!(", c{at} AS (SELECT * FROM c{0} UNION ALL SELECT * FROM c{0})", at - 1),
    ] {
        let sql = chain("SELECT 1 AS v", next, "SELECT count(*) FROM c29");
        small.sandbox.run(&["query", &sql]).failed(8, "use each other");
    }
    let next = |at: usize| format!(", c{at} AS (SELECT (v + v) % 7 AS v FROM c{})", at - 1);
    let sql = chain("SELECT v FROM log", next, "SELECT sum(v) AS s FROM c29");
    let ran = small.sandbox.run(&["query", &sql, "--format", "csv", "--timeout", "60s"]).ok();
    assert_eq!(ran.out, format!("s\n{}\n", (0..29).fold(1, |v, _| (v + v) % 7)));
    let sql = format!("SELECT 1{}", " ".repeat(2 << 20));
    small
        .sandbox
        .run(&["query", "--file", small.sandbox.write("q.sql", sql).to_str().unwrap()])
        .failed(8, "bytes, more than");
    let sql = format!("SELECT 1{}", " JOIN (SELECT 1) USING (x)".repeat(70));
    small.sandbox.run(&["query", &sql]).failed(8, "70 joins");
    let sql = "SELECT count(*) FROM log WHERE regexp_like(who, '((a{100}){100}){100}')";
    small.sandbox.run(&["query", sql]).failed(3, "a regular expression is too large");
    let sql = "SELECT length(regexp_replace(repeat('x', 1000000), 'x', repeat('y', 2000), 'g'))";
    small.sandbox.run(&["query", sql]).failed(8, "shorten its texts");
}

#[test]
fn what_makes_too_many_groups_is_refused() {
    let small = Small::new();
    small.append("x", &["2026-01-03"], &["a"], 1).ok();
    let many = ["who"; 11].join(", ");
    let sql = format!("SELECT count(*) FROM log GROUP BY CUBE ({many})");
    small.sandbox.run(&["query", &sql]).failed(3, "2048 sets of groups");
    let sql = "SELECT count(*) FROM log GROUP BY ROLLUP (who, v, at), CUBE (who, v)";
    small.sandbox.run(&["query", sql]).ok();
}

/// A query's statistics don't include other queries that run at the same time.
#[tokio::test]
async fn a_question_counts_its_own_requests_and_bytes() {
    let sandbox = Sandbox::new();
    let location = sandbox.root().to_str().unwrap().to_owned();
    let db = db_at(&location, "2026-02-01", Settings::default()).await;
    let line = |day: i32| {
        format!("{{\"timestamp\":\"2026-01-{day:02}T05:00:00Z\",\"organization_id\":\"o\"}}\n")
    };
    for number in 1..20 {
        append(&db, &number.to_string(), &line(number)).await;
    }
    let of_days = |from: u32, to: u32| {
        let (from, to) = (day(&format!("2026-01-{from:02}")), day(&format!("2026-01-{to:02}")));
        Query::sql(format!(
            "SELECT count(model) AS n FROM ai_usage_log WHERE date BETWEEN '{from}' AND '{to}'"
        ))
    };
    let (few, many) = (of_days(2, 3), of_days(1, 19));
    let mut answer = db.query(&few).await.unwrap();
    while answer.next().await.unwrap().is_some() {}
    let alone = answer.stats();
    assert!(alone.requests > 0 && alone.bytes > 0, "{alone:?}");
    // The cost of a later query doesn't change the statistics of an answer that has ended. Two
    // queries at once can find in memory what the other one read, so each may cost less than alone.
    let other = try_answer(&db, &many).await.unwrap().1;
    let after = answer.stats();
    assert_eq!((after.requests, after.bytes), (alone.requests, alone.bytes));
    assert!(other.requests > 0 && other.bytes > 0, "{other:?}");
    let (few, many) = tokio::join!(try_answer(&db, &few), try_answer(&db, &many));
    let (few, many) = (few.unwrap().1, many.unwrap().1);
    assert!(few.requests <= alone.requests && few.bytes <= alone.bytes, "{few:?} {alone:?}");
    assert!(many.requests <= other.requests && many.bytes <= other.bytes, "{many:?} {other:?}");
}
