//! A store with faults of every kind: each answer is right or an error, each job is done in the
//! end, and no row is lost or counted twice.
//!
//! `TALLYBOOK_FAULTS` is the minimum number of injected faults. `TALLYBOOK_TEST_SEED` is the seed
//! of the first life.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tallybook::{
    AppendOptions, BatchId, CompactOptions, Error, ErrorKind, FixedClock, Input, Outcome,
    PurgeOptions, Query, RollupOptions, Route, Settings, Tallybook,
};

use crate::support::life::AT_ONCE;
use crate::support::{
    SMALL_LOG, day,
    fake_store::{FakeStore, Fault},
    many::{OnPanic, number, on_all_cores, runtime},
    try_answer,
};

const DAYS: [&str; 3] = ["2026-01-03", "2026-01-04", "2026-01-05"];
const REPORT: &str = "SELECT who, sum(v) AS v, count(*) AS n FROM log GROUP BY 1 ORDER BY 1";

/// A life that takes longer than this is stuck.
const STUCK: Duration = Duration::from_mins(10);

/// A life with this many errors never ends: its retries don't succeed.
const ERRORS_MAX: u64 = 1000;

/// The life of a root. Every operation is retried until it succeeds.
struct Life {
    store: FakeStore,
    db: Tallybook,
    expected: BTreeMap<char, (u64, u64)>,
    errors: u64,
    right: u64,
}

/// Checks that a failing store can cause this error.
fn of_store(error: &Error) {
    let can_be = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound);
    assert!(can_be, "{:?}: {error}", error.kind());
}

/// Retries an operation until it succeeds, and counts the errors.
macro_rules! until_done {
    ($life:ident, $what:expr) => {
        loop {
            match $what.await {
                Ok(done) => break done,
                Err(error) => {
                    let error: Error = error;
                    of_store(&error);
                    $life.errors += 1;
                    assert!($life.errors < ERRORS_MAX, "it is never done: {error}");
                }
            }
        }
    };
}

impl Life {
    async fn begin(dialect: &str, share: f64, seed: u64) -> Self {
        let store = FakeStore::start();
        // A short timeout, so that an operation that can't succeed fails soon and starts again.
        let settings = Settings { retry_timeout_s: 1, ..store.settings() };
        store.break_any(share, seed);
        let location = format!("{dialect}://bucket/r");
        let mut errors = 0;
        let db = loop {
            let clock = std::sync::Arc::new(FixedClock::noon_of(day("2026-01-12")));
            let db = Tallybook::builder(&location).definition(SMALL_LOG, "storm.toml");
            match db.settings(settings.clone()).clock(clock).create().await {
                Ok(db) => break db,
                Err(error) => {
                    of_store(&error);
                    errors += 1;
                }
            }
        };
        Self { store, db, expected: BTreeMap::new(), errors, right: 0 }
    }

    async fn append(&mut self, batch: char, who: char) {
        let line = |day| format!("{{\"at\":\"{day}T05:00:00Z\",\"who\":\"{who}\",\"v\":3}}\n");
        let lines: String = DAYS.into_iter().map(line).collect();
        let options = || AppendOptions {
            batch: Some(BatchId::try_new(batch).unwrap()),
            ..AppendOptions::default()
        };
        until_done!(self, self.db.append(vec![Input::bytes("x.ndjson", lines.clone())], options()));
        let (sum, count) = self.expected.entry(who).or_default();
        (*sum, *count) = (*sum + 9, *count + 3);
        self.ask().await;
    }

    fn fail(&mut self, errors: u64) {
        self.errors += errors;
        assert!(self.errors < ERRORS_MAX, "it is never done");
    }

    /// Queries by the routes `auto` and `raw`. Each answer must be right or an error.
    async fn ask(&mut self) {
        let rows = self.expected.iter().map(|(who, (sum, count))| format!("{who},{sum},{count}\n"));
        let expected = "who,v,n\n".to_owned() + &rows.collect::<String>();
        for route in [Route::Auto, Route::Raw] {
            let query = Query::sql(REPORT).by_route(route);
            match try_answer(&self.db, &query).await {
                Ok((found, _)) => {
                    assert_eq!(found, expected, "{route}");
                    self.right += 1;
                }
                Err(error) => {
                    of_store(&error);
                    self.errors += 1;
                }
            }
        }
    }

    async fn rollup(&mut self) {
        loop {
            let (mut failed, options) = (0, RollupOptions::default());
            drop(until_done!(
                self,
                self.db.rollup(&options, |report| {
                    if let Outcome::Failed(error) = &report.outcome {
                        of_store(error);
                        failed += 1;
                    }
                })
            ));
            self.ask().await;
            if failed == 0 {
                return;
            }
            self.fail(failed);
        }
    }

    async fn compact(&mut self) {
        loop {
            let (mut failed, options) = (0, CompactOptions::default());
            drop(until_done!(
                self,
                self.db.compact(&options, |report| match &report.outcome {
                    Outcome::Compacted { .. } => {}
                    // The retry lost against its own first attempt, whose acknowledgement was
                    // lost.
                    Outcome::Overtaken => failed += 1,
                    Outcome::Failed(error) => {
                        of_store(error);
                        failed += 1;
                    }
                    _ => panic!("{report:?}"),
                })
            ));
            self.ask().await;
            if failed == 0 {
                return;
            }
            self.fail(failed);
        }
    }

    /// Purges the first day's raw rows. From then on, only its remains answer for the day.
    async fn purge(&mut self) {
        loop {
            let mut failed = 0;
            let options = PurgeOptions { older_than_days: 8, ..PurgeOptions::default() };
            drop(until_done!(
                self,
                self.db.purge(&options, |report| match &report.outcome {
                    Outcome::Purged(_) => {}
                    Outcome::Overtaken => failed += 1,
                    Outcome::Failed(error) => {
                        of_store(error);
                        failed += 1;
                    }
                    _ => panic!("{report:?}"),
                })
            ));
            if failed == 0 {
                return;
            }
            self.fail(failed);
        }
    }

    async fn gc(&mut self) {
        let settings = Settings { retry_timeout_s: 1, ..self.store.settings() };
        let location = self.db.location().to_owned();
        let clock = || std::sync::Arc::new(FixedClock::noon_of(day("2100-01-01")));
        let later = until_done!(
            self,
            Tallybook::builder(&location).settings(settings.clone()).clock(clock()).open()
        );
        until_done!(self, later.gc(&AT_ONCE, |_| {}));
    }

    async fn end(mut self) -> (FakeStore, u64, u64) {
        self.store.mend();
        let before = self.right;
        self.ask().await;
        // Only one route answers, because raw rows of the first day are purged.
        assert_eq!(self.right, before + 1);
        assert_eq!(self.db.verify(tallybook::Span::ALL, |_| {}).await.unwrap(), None);
        (self.store, self.right, self.errors)
    }
}

async fn live(seed: u64) -> (FakeStore, u64, u64) {
    let share = [0.05, 0.1, 0.2, 0.3][(seed % 4) as usize];
    let dialect = if seed.is_multiple_of(3) { "gs" } else { "s3" };
    let mut life = Life::begin(dialect, share, seed).await;
    life.append('a', 'x').await;
    life.append('b', 'y').await;
    life.rollup().await;
    life.append('c', 'x').await;
    life.rollup().await;
    life.compact().await;
    life.append('d', 'z').await;
    life.rollup().await;
    life.gc().await;
    life.ask().await;
    life.compact().await;
    life.purge().await;
    life.gc().await;
    life.end().await
}

#[test]
fn every_fault_of_a_store_is_an_error_or_is_got_over() {
    let wanted = number("TALLYBOOK_FAULTS").unwrap_or(1000);
    let next = AtomicU64::new(number("TALLYBOOK_TEST_SEED").unwrap_or(1));
    let total: Mutex<(u64, u64, u64, BTreeMap<Fault, u64>)> = Mutex::default();
    // Several lives run on each core, because they mostly wait before retries.
    on_all_cores(8, || {
        let runtime = runtime();
        while total.lock().unwrap().3.values().sum::<u64>() < wanted {
            let seed = next.fetch_add(1, Relaxed);
            let repeat =
                OnPanic::say(format!("TALLYBOOK_TEST_SEED={seed} TALLYBOOK_FAULTS=1 repeats it"));
            let life = async { tokio::time::timeout(STUCK, Box::pin(live(seed))).await };
            let (store, right, errors) = runtime.block_on(life).unwrap();
            repeat.silence();
            let mut total = total.lock().unwrap();
            (total.0, total.1, total.2) = (total.0 + 1, total.1 + right, total.2 + errors);
            for (fault, times) in store.faults_met() {
                *total.3.entry(fault).or_default() += times;
            }
        }
    });
    let (lives, right, errors, met) = total.into_inner().unwrap();
    let sum: u64 = met.values().sum();
    eprintln!("{sum} faults in {lives} lives: {right} answers right, {errors} errors; {met:?}");
    assert!(Fault::ALL.iter().all(|fault| met.contains_key(fault)), "{met:?}");
}
