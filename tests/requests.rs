//! The number of requests that a query over a year sends to a store before it reads any data, and
//! the number of round trips that they take.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use tallybook::{
    AppendOptions, BatchId, CompactOptions, FixedClock, Input, Query, Route, Settings, Tallybook,
};

use crate::support::life::AT_ONCE;
use crate::support::{
    answer, csv, day, db_with,
    fake_store::{Answered, FakeStore},
    many::number,
    program, rollup, run,
};

const DEFINITION: &str = r#"
name = "log"
table = "log"
time = "at"
sort = ["who", "at"]
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "who", type = "text", required = true },
  { name = "what", type = "text" },
  { name = "v", type = "integer" },
]
[[rollup]]
name = "by_who"
grain = "day"
dimensions = ["who"]
measures = ["sum(v) as v", "count(*) as n"]
[[rollup]]
name = "by_what"
grain = "day"
dimensions = ["what"]
measures = ["sum(v) as v", "count(*) as n"]
[[rollup]]
name = "hourly"
grain = "hour"
dimensions = ["who", "what"]
measures = ["sum(v) as v", "count(*) as n"]
"#;

const TODAY: &str = "2026-02-10";
const YEAR: &str = "SELECT who, sum(v) AS v, count(*) AS n FROM log WHERE date >= '2025-02-10' \
                    AND date < '2026-02-10' GROUP BY 1 ORDER BY 1";

/// A root with a year of two leaves a day, and some days before it, rolled up and compacted.
async fn compacted_year(store: &FakeStore) -> Tallybook {
    let db = db_with("s3://bucket/year", DEFINITION, TODAY, store.settings()).await;
    for batch in ["a", "b"] {
        let mut lines = String::new();
        for offset in -20..365 {
            let day = day("2025-02-10").plus(offset);
            writeln!(
                lines,
                "{{\"at\":\"{day}T05:00:00Z\",\"who\":\"x\",\"what\":\"{batch}\",\"v\":1}}"
            )
            .unwrap();
        }
        let options = AppendOptions {
            batch: Some(BatchId::try_new(batch).unwrap()),
            ..AppendOptions::default()
        };
        db.append(vec![Input::bytes("x.ndjson", lines)], options).await.unwrap();
    }
    rollup(&db).await;
    let all = CompactOptions::default();
    let compacted = db.compact(&all, |report| {
        assert!(matches!(report.outcome, tallybook::Outcome::Compacted { .. }), "{report:?}");
    });
    compacted.await.unwrap().into_result().unwrap();
    db
}

async fn opened(settings: Settings) -> Tallybook {
    let clock = Arc::new(FixedClock::noon_of(day(TODAY)));
    Tallybook::builder("s3://bucket/year").settings(settings).clock(clock).open().await.unwrap()
}

/// The length of the longest chain of requests in which each began after the previous one was
/// answered.
fn one_after_the_other(requests: &[Answered]) -> usize {
    let mut ends: Vec<_> = requests.iter().collect();
    ends.sort_by_key(|request| request.to);
    let mut chain = 0;
    let mut until = None;
    for request in ends {
        if until.is_none_or(|until| request.from >= until) {
            chain += 1;
            until = Some(request.to);
        }
    }
    chain
}

fn is_data(request: &Answered) -> bool {
    request.path.ends_with(".parquet")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_a_compacted_root_is_few_requests() {
    let store = FakeStore::start();
    store.page_by(1000);
    let db = compacted_year(&store).await;
    let expected = "who,v,n\nx,730,730\n";
    assert_eq!(csv(&db, YEAR, Route::Raw).await.0, expected);
    for collected in [false, true] {
        store.delay(Duration::from_millis(150));
        store.take_answered();
        let cold = opened(store.settings()).await;
        let (found, stats) = answer(&cold, &Query::sql(YEAR)).await;
        store.delay(Duration::ZERO);
        assert_eq!((found.as_str(), stats.route), (expected, "rollup"));
        let requests = store.take_answered();
        let before: Vec<_> = requests.iter().take_while(|one| !is_data(one)).cloned().collect();
        let (count, trips) = (before.len(), one_after_the_other(&before));
        eprintln!("{count} requests in {trips} round trips, then {}", requests.len() - count);
        assert!(count <= 10 && trips <= 3, "{count} requests in {trips} round trips {before:?}");
        // Two of the requests opened the root, before the query.
        assert_eq!(stats.requests + 2, requests.len() as u64);
        let clock = Arc::new(FixedClock::noon_of(day("2100-01-01")));
        let later = Tallybook::builder("s3://bucket/year")
            .settings(store.settings())
            .clock(clock)
            .open()
            .await
            .unwrap();
        later.gc(&AT_ONCE, |_| {}).await.unwrap();
        assert!(collected || store.keys().len() < 2800, "{}", store.keys().len());
    }
    listings_are_used_again_where_that_is_allowed(&store).await;
}

async fn listings_are_used_again_where_that_is_allowed(store: &FakeStore) {
    let lists = |requests: &[Answered]| requests.iter().filter(|one| one.path == "/bucket").count();
    let folder = tempfile::tempdir().unwrap();
    let patient = Settings {
        max_staleness: Duration::from_hours(1),
        cache_dir: Some(folder.path().to_owned()),
        ..store.settings()
    };
    let first = opened(patient.clone()).await;
    csv(&first, YEAR, Route::Auto).await;
    let late = r#"{"at":"2026-01-05T06:00:00Z","who":"x","what":"c","v":1}"#;
    let options =
        AppendOptions { batch: Some(BatchId::try_new("late").unwrap()), ..Default::default() };
    first.append(vec![Input::bytes("x.ndjson", late)], options).await.unwrap();
    // The same process and the next one use the cached listings.
    for db in [&first, &opened(patient).await] {
        store.take_answered();
        assert_eq!(csv(db, YEAR, Route::Auto).await.0, "who,v,n\nx,730,730\n");
        assert_eq!(lists(&store.take_answered()), 0);
    }
    // A process that doesn't allow staleness never uses them.
    let strict = Settings { cache_dir: Some(folder.path().to_owned()), ..store.settings() };
    let strict = opened(strict).await;
    for _ in 0..2 {
        assert_eq!(csv(&strict, YEAR, Route::Auto).await.0, "who,v,n\nx,731,731\n");
        assert!(lists(&store.take_answered()) > 0);
    }
}

/// The time and requests of a new process, without any cache, over a year of many leaves.
/// `TALLYBOOK_LEAVES` is the number of leaves, 2,000 by default.
#[tokio::test(flavor = "multi_thread")]
async fn a_year_of_many_leaves() {
    let batches = number("TALLYBOOK_LEAVES").unwrap_or(2_000).div_ceil(365) as usize;
    let store = FakeStore::start();
    store.page_by(1000);
    let of_one = DEFINITION.split("[[rollup]]").take(2).collect::<Vec<_>>().join("[[rollup]]");
    let db = db_with("s3://bucket/many", &of_one, TODAY, store.settings()).await;
    for batch in 0..batches {
        let days = (0..365).map(|offset| day("2025-02-10").plus(offset));
        let lines = days.map(|day| {
            format!("{{\"at\":\"{day}T05:00:00Z\",\"who\":\"x\",\"what\":\"{batch}\",\"v\":1}}\n")
        });
        let lines: String = lines.collect();
        let options = AppendOptions {
            batch: Some(BatchId::try_new(format!("{batch}")).unwrap()),
            ..AppendOptions::default()
        };
        db.append(vec![Input::bytes("x.ndjson", lines)], options).await.unwrap();
    }
    assert_eq!(rollup(&db).await, 365);
    let rows = batches * 365;
    for when in ["as they were appended", "compacted"] {
        for (args, expected) in [
            (
                vec!["query", YEAR, "--format", "csv", "--stats"],
                format!("who,v,n\nx,{rows},{rows}\n"),
            ),
            (vec!["status"], format!("{} rows", grouped(rows))),
        ] {
            let mut command = program();
            command.envs(store.environment()).env("TALLYBOOK_CACHE", "");
            command.args(["--root", "s3://bucket/many"]).args(&args);
            store.take_answered();
            let started = std::time::Instant::now();
            let ran = run(command, b"").ok();
            let (took, requests) = (started.elapsed(), store.take_answered().len());
            assert!(ran.out.contains(&expected), "{ran:?}");
            eprintln!("{rows} leaves {when}: {} in {took:.2?}, {requests} requests", args[0]);
        }
        db.compact(&CompactOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
        let clock = Arc::new(FixedClock::noon_of(day("2100-01-01")));
        let later = Tallybook::builder("s3://bucket/many")
            .settings(store.settings())
            .clock(clock)
            .open()
            .await
            .unwrap();
        later.gc(&AT_ONCE, |_| {}).await.unwrap();
    }
}

/// The number with commas, as the program prints numbers.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let ends = (0..digits.len()).map(|at| (digits.len() - at).is_multiple_of(3) && at > 0);
    let pairs = digits.chars().zip(ends);
    pairs.fold(String::new(), |text, (digit, comma)| {
        text + if comma { "," } else { "" } + &digit.to_string()
    })
}
