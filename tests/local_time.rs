//! Days and hours in a time zone, from hourly rollups, including days of 23 and 25 hours.

use tallybook::{Query, Route, Settings, Tallybook};

use crate::{
    shapes::rich_definition,
    support::{Sandbox, append, day, db_with, rollup, try_answer},
};

/// One call at the 20th minute of each UTC hour.
fn hourly(first: &str, days: i32) -> String {
    let mut lines = String::new();
    for at in 0..days {
        let day = day(first).plus(at);
        for hour in 0..24 {
            lines += &format!(
                "{{\"timestamp\":\"{day}T{hour:02}:20:00Z\",\"organization_id\":\"o\",\"cost\":1,\"model\":\"m\"}}\n"
            );
        }
    }
    lines
}

async fn around(first: &str, days: i32, today: &str) -> Tallybook {
    let db = db_with("memory://", &rich_definition(), today, Settings::default()).await;
    append(&db, "hours", &hourly(first, days)).await;
    rollup(&db).await;
    db
}

/// The answer, which must be the same by both routes, and whether it came from rollups alone.
async fn ask(db: &Tallybook, zone: &str, sql: &str) -> (String, bool) {
    let query = Query::sql(sql).in_time_zone(zone.parse().unwrap());
    let (raw, _) = try_answer(db, &query.clone().by_route(Route::Raw)).await.unwrap();
    let (auto, stats) = try_answer(db, &query).await.unwrap();
    assert_eq!(raw, auto, "{zone} {sql}");
    (auto, stats.route == "rollup")
}

/// The number of calls of each day, without the first and the last day. There is one call each
/// hour, so it is the day's number of hours.
async fn hours_of_days(db: &Tallybook, zone: &str) -> Vec<i64> {
    let sql = "SELECT date, count(*) AS n FROM ai_usage_log GROUP BY 1 ORDER BY 1";
    let (text, from_rollups) = ask(db, zone, sql).await;
    assert!(from_rollups, "{zone}");
    let hours = text.lines().skip(2).map(|line| line.rsplit_once(',').unwrap().1.parse().unwrap());
    let mut hours: Vec<_> = hours.collect();
    hours.pop();
    hours
}

#[tokio::test]
async fn days_have_23_to_25_hours() {
    let spring = around("2026-03-20", 14, "2026-05-01").await;
    let autumn = around("2026-10-20", 14, "2026-12-01").await;
    let days = |special: i64| {
        let mut days: Vec<_> = hours_of(special);
        days.sort_unstable();
        days
    };
    for (db, zone, special) in [
        (&spring, "Europe/Berlin", 23),
        (&spring, "Asia/Kathmandu", 24),
        (&spring, "+05:30", 24),
        (&autumn, "Europe/Berlin", 25),
        (&autumn, "America/New_York", 25),
        // A zone whose clock changes by half an hour, but not within these days.
        (&autumn, "Australia/Lord_Howe", 24),
    ] {
        let mut hours = hours_of_days(db, zone).await;
        hours.sort_unstable();
        assert_eq!(hours, days(special), "{zone}");
    }
}

fn hours_of(special: i64) -> Vec<i64> {
    let mut days = vec![24; 12];
    days.push(special);
    days
}

#[tokio::test]
async fn spans_begin_and_end_at_local_midnight() {
    let db = around("2026-03-20", 14, "2026-05-01").await;
    let count = |zone: &'static str, filter: &'static str| {
        let db = &db;
        async move {
            let sql = format!("SELECT count(*) AS n FROM ai_usage_log WHERE {filter}");
            let (text, from_rollups) = ask(db, zone, &sql).await;
            (text.lines().nth(1).unwrap().parse::<i64>().unwrap(), from_rollups)
        }
    };
    let berlin = "Europe/Berlin";
    let ten_days = 10 * 24 - 1;
    assert_eq!(count(berlin, "date BETWEEN '2026-03-21' AND '2026-03-30'").await, (ten_days, true));
    let times = "timestamp >= '2026-03-21' AND timestamp < '2026-03-31T00:00:00'";
    assert_eq!(count(berlin, times).await, (ten_days, true));
    let instants = "timestamp >= '2026-03-20T23:00:00Z' AND timestamp < '2026-03-30T22:00:00Z'";
    assert_eq!(count(berlin, instants).await, (ten_days, true));
    // On 2026-03-29, there is no hour from 2 to 3.
    let hours = "extract(hour FROM timestamp) = 2 AND date >= '2026-03-21' AND date < '2026-03-31'";
    assert_eq!(count(berlin, hours).await, (9, true));
    let kathmandu = "date >= '2026-03-21' AND date <= '2026-03-30'";
    assert_eq!(count("Asia/Kathmandu", kathmandu).await, (240, true));
}

#[tokio::test]
async fn local_units_are_the_zones_own() {
    let db = around("2026-10-20", 14, "2026-12-01").await;
    let sql = "SELECT date_trunc('hour', timestamp) AS h, count(*) AS n FROM ai_usage_log \
               WHERE date = '2026-10-25' GROUP BY 1 ORDER BY 1 LIMIT 4";
    let query = Query::sql(sql).in_time_zone("Europe/Berlin".parse().unwrap());
    let (text, _) = try_answer(&db, &query.by_route(Route::Rollup)).await.unwrap();
    // The two hours that the clock calls 2 stay separate.
    assert_eq!(
        text,
        "h,n\n2026-10-25T00:00:00+02:00,1\n2026-10-25T01:00:00+02:00,1\n\
         2026-10-25T02:00:00+02:00,1\n2026-10-25T02:00:00+01:00,1\n"
    );
    let sql = "SELECT date_trunc('month', timestamp) AS m, count(*) AS n FROM ai_usage_log GROUP BY 1 ORDER BY 1";
    let (text, _) = ask(&db, "Europe/Berlin", sql).await;
    assert_eq!(text, "m,n\n2026-10-01T00:00:00+02:00,287\n2026-11-01T00:00:00+01:00,49\n");
    let sql = "SELECT date, sum(total_calls) AS n FROM ai_usage_daily_aggregates WHERE date = '2026-10-25' GROUP BY 1";
    assert_eq!(ask(&db, "Europe/Berlin", sql).await.0, "date,n\n2026-10-25,25\n");
}

#[test]
fn at_the_command_line() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append"], hourly("2026-03-20", 14).as_bytes()).ok();
    sandbox.run(&["rollup"]).ok();
    let usage = |zone: &str| {
        let days = ["--from", "2026-03-21", "--to", "2026-03-30", "--by", "day"];
        let rest = ["--time-zone", zone, "--format", "csv", "--stats"];
        sandbox.run(&[&["usage", "org", "o"], &days[..], &rest[..]].concat())
    };
    let berlin = usage("Europe/Berlin").ok();
    assert!(berlin.out.contains("2026-03-29,23.000000000000,23,"), "{}", berlin.out);
    assert!(berlin.err.contains("\"route\":\"rollup\""), "{}", berlin.err);
    let kathmandu = usage("Asia/Kathmandu").ok();
    assert!(kathmandu.err.contains("\"route\":\"raw\""), "no quarters: {}", kathmandu.err);
    for (time, zone) in
        [("2026-03-29 02:30:00", "Europe/Berlin"), ("2025-11-02 01:30:00", "America/New_York")]
    {
        let sql = format!("SELECT count(*) FROM ai_usage_log WHERE timestamp >= '{time}'");
        let words = format!("'{time}' is no time of its zone, or two of them");
        sandbox.run(&["query", &sql, "--time-zone", zone]).failed(3, &words);
    }
    usage("Mars/Olympus").failed(2, "is not a name like Europe/Berlin");
    let explained = sandbox.run(&[
        "query",
        "SELECT date, count(*) FROM ai_usage_log GROUP BY 1",
        "--time-zone",
        "Asia/Kathmandu",
        "--explain",
    ]);
    let words =
        "org_hourly: local time in Asia/Kathmandu cuts through its buckets; its grain is hour";
    assert!(explained.ok().out.contains(words));
}
