//! Random interleavings of everything that a root can be asked to do, by several actors at once, over
//! a store that fails, loses answers, lists stale and lets actors die; against a model of which rows
//! an answer may hold.
//!
//! `TALLYBOOK_MODEL_RUNS` is the number of interleavings, `TALLYBOOK_MODEL_SEED` the first seed: a
//! failure names the seed that repeats it with one run.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its helpers aren't tests to clippy"
)]
#![allow(dead_code, reason = "the other tests use more of what both share")]

#[path = "../support/ledger.rs"]
mod ledger;
#[path = "../support/many.rs"]
mod many;
#[path = "../support/small_log.rs"]
mod small_log;
mod store;
#[path = "../support/try_answer.rs"]
mod try_answer;

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use rand::{
    RngExt as _, SeedableRng as _,
    seq::{IndexedRandom as _, SliceRandom as _},
};
use rand_chacha::ChaCha8Rng;
use tallybook::{
    AppendOptions, BatchId, CompactOptions, ErrorKind, FixedClock, GcOptions, Input, JobSummary,
    Outcome, PriceTable, PurgeOptions, Query, RepriceOptions, RollupOptions, Route, Settings, Span,
    Tallybook,
};

use self::{
    ledger::{ASK, Ledger, WHO},
    many::{OnPanic, number, on_all_cores},
    small_log::SMALL_LOG,
    store::{Faults, SimulatedObjects, SimulatedStore, Trouble},
    try_answer::try_answer,
};

/// A finished day, one that may be purged, and today.
const DAYS: [&str; 3] = ["2026-01-01", "2026-01-02", "2026-01-03"];

/// What one interleaving did.
#[derive(Default)]
struct Tally {
    operations: u64,
    answers: u64,
    errors: u64,
    deaths: u64,
}

struct World {
    /// Whether answers may be of some time ago.
    lags: bool,
    ledger: Mutex<Ledger>,
    tally: Mutex<Tally>,
}

/// The small log with computed columns, of which `repriced` changes one set.
fn priced_log() -> String {
    let v = "  { name = \"v\", type = \"integer\" },\n";
    let columns = "  { name = \"cost\", type = \"decimal(18,12)\" },\n\
                   \x20 { name = \"uncached\", type = \"decimal(18,12)\" },\n\
                   \x20 { name = \"prices\", type = \"text\" }, { name = \"batch\", type = \"text\" },\n";
    let prices = "batch = \"batch\"\n[prices]\ncost = \"cost\"\ncost_uncached = \"uncached\"\n\
                  table = \"prices\"\nmodel = \"who\"\ninput = \"v\"\noutput = \"v\"\n[[rollup]]";
    SMALL_LOG.replace(v, &(v.to_owned() + columns)).replace("[[rollup]]", prices)
}

/// Prices all rows by one of two tables.
async fn reprice(db: &Tallybook, random: &mut ChaCha8Rng) -> Result<(), tallybook::Error> {
    let rate = random.random_range(1..3);
    let models = WHO.map(|who| {
        format!("\"{who}\":{{\"input_cost_per_token\":{rate}e-18,\"output_cost_per_token\":0}}")
    });
    let prices = PriceTable::parse(&format!("{{{}}}", models.join(",")), "prices.json")?;
    let prices = Arc::new(prices);
    let options = RepriceOptions { from: None, to: None, prices, dry_run: false };
    Box::pin(db.reprice(&options, |_| {})).await.map(drop)
}

/// How an actor opens the root, which may not exist yet.
#[derive(Clone, Copy)]
enum Opening {
    MakesTheRoot,
    LeavesItToTheFirstAppend,
}

async fn open(store: SimulatedStore, opening: Opening) -> Result<Tallybook, tallybook::Error> {
    let clock = Arc::new(FixedClock::noon_of(DAYS[2].parse().unwrap()));
    let settings = Settings { streams: 1, min_span_days: 0, ..Settings::default() };
    let db =
        Tallybook::builder_in(Arc::new(store), "simulated").definition(priced_log(), "log.toml");
    let db = db.settings(settings).clock(clock);
    match opening {
        Opening::MakesTheRoot => db.create().await,
        Opening::LeavesItToTheFirstAppend => db.create_with_first_rows().await,
    }
}

async fn append(db: &Tallybook, batch: usize, lines: Vec<String>) -> Result<(), tallybook::Error> {
    let options = AppendOptions {
        batch: Some(BatchId::try_new(format!("batch {batch}")).unwrap()),
        ..AppendOptions::default()
    };
    db.append(vec![Input::bytes("x.ndjson", lines.concat())], options).await.map(drop)
}

/// All is as old as it needs to be: what is deleted is what nothing refers to, whenever that began.
fn at_once() -> GcOptions {
    GcOptions { grace: Duration::ZERO, abandoned: Duration::ZERO, dry_run: false }
}

/// One random operation.
async fn operate(world: &World, db: &Tallybook, random: &mut ChaCha8Rng) {
    world.tally.lock().unwrap().operations += 1;
    let days = RollupOptions { months: false, ..RollupOptions::default() };
    let done = match random.random_range(0..13) {
        kind @ 0..4 => {
            let (batch, mut lines) = {
                let mut ledger = world.ledger.lock().unwrap();
                let batch = if kind < 3 { ledger.begin(random) } else { ledger.any(random) };
                let Some(batch) = batch else { return };
                (batch, ledger.lines(batch))
            };
            lines.shuffle(random);
            let appended = append(db, batch, lines).await;
            if appended.is_ok() {
                world.ledger.lock().unwrap().done(batch);
            }
            appended
        }
        4 => db.rollup(&days, |_| {}).await.map(drop),
        5 => db.rollup(&RollupOptions::default(), |_| {}).await.map(drop),
        6 | 7 => db.compact(&CompactOptions::default(), |_| {}).await.map(drop),
        8 => db.gc(&at_once(), |_| {}).await,
        9 => {
            let options = PurgeOptions { older_than_days: 1, ..PurgeOptions::default() };
            db.purge(&options, |_| {}).await.map(drop)
        }
        12 => reprice(db, random).await,
        10 if random.random_bool(0.3) => {
            let who = WHO[0];
            let batches = world.ledger.lock().unwrap().begin_erasing(who);
            let columns = [("who".to_owned(), who.to_owned())];
            let erased = Box::pin(db.erase(&columns, false, |_| {})).await;
            let erased = erased.and_then(JobSummary::into_result);
            // A listing of some time ago may hide rows from an erasure, too.
            if erased.is_ok() && !world.lags {
                world.ledger.lock().unwrap().end_erasing(who, batches);
            }
            erased.map(drop)
        }
        _ => {
            let before = world.ledger.lock().unwrap().clone();
            let before = if world.lags { before.forgotten() } else { before };
            let answered = try_answer(db, &Query::sql(ASK)).await;
            answered.map(|(answer, _)| {
                world.tally.lock().unwrap().answers += 1;
                let now = world.ledger.lock().unwrap();
                now.check(&before, &answer).unwrap_or_else(|wrong| panic!("{wrong}"));
            })
        }
    };
    if let Err(error) = done {
        world.tally.lock().unwrap().errors += 1;
        expect_trouble(&error);
    }
}

/// Errors are what a store in trouble leads to, but never `Corrupt` or worse.
fn expect_trouble(error: &tallybook::Error) {
    let expected =
        matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound | ErrorKind::Conflict);
    assert!(expected, "{:?}: {error}", error.kind());
}

/// An actor: some operations, in which it may die and come back with nothing but the store.
async fn act(world: &World, store: SimulatedStore, mut random: ChaCha8Rng, operations: usize) {
    for _ in 0..operations {
        let opening = if random.random_bool(0.5) {
            Opening::MakesTheRoot
        } else {
            Opening::LeavesItToTheFirstAppend
        };
        let db = match open(store.clone(), opening).await {
            Ok(db) => db,
            Err(error) => {
                expect_trouble(&error);
                continue;
            }
        };
        let dies = random.random_bool(0.15).then(|| random.random_range(1_u64..40));
        let operation = operate(world, &db, &mut random);
        match dies {
            None => operation.await,
            Some(after) => {
                let died = tokio::time::timeout(Duration::from_millis(after), operation).await;
                world.tally.lock().unwrap().deaths += u64::from(died.is_err());
            }
        }
    }
}

/// What must hold once all is quiet: everything that was begun is completed, then every row counts
/// once, by any route, with and without rollups.
async fn settle(world: &World, store: SimulatedStore) {
    let db = open(store, Opening::MakesTheRoot).await.unwrap();
    let batches = world.ledger.lock().unwrap().len();
    let check = async |when: &str| {
        let now = world.ledger.lock().unwrap().clone();
        for route in [Route::Raw, Route::Auto] {
            match try_answer(&db, &Query::sql(ASK).by_route(route)).await {
                Ok((answer, _)) => {
                    let found = now.check(&now, &answer);
                    found.unwrap_or_else(|wrong| panic!("{when}, {route}: {wrong}"));
                }
                // Of purged days there are no raw rows.
                Err(error) => assert!(
                    error.kind() == ErrorKind::NotFound && route == Route::Raw,
                    "{when}, {route}: {error}"
                ),
            }
        }
    };
    check("at rest").await;
    for batch in 0..batches {
        let lines = world.ledger.lock().unwrap().lines(batch);
        append(&db, batch, lines).await.unwrap();
        world.ledger.lock().unwrap().done(batch);
    }
    check("after all retries").await;
    let all = RollupOptions::default();
    let built = db.rollup(&all, |report| {
        assert!(matches!(report.outcome, Outcome::Built { .. }), "{report:?}");
    });
    built.await.unwrap().into_result().unwrap();
    let all = CompactOptions::default();
    let compacted = db.compact(&all, |report| {
        assert!(matches!(report.outcome, Outcome::Compacted { .. }), "{report:?}");
    });
    compacted.await.unwrap().into_result().unwrap();
    check("after a job").await;
    let difference = db.verify(Span::ALL, |_| {}).await.unwrap();
    assert_eq!(difference, None);
    let erasing = world.ledger.lock().unwrap().erasing();
    for who in erasing {
        let batches = world.ledger.lock().unwrap().begin_erasing(who);
        let columns = [("who".to_owned(), who.to_owned())];
        Box::pin(db.erase(&columns, false, |_| {})).await.unwrap().into_result().unwrap();
        world.ledger.lock().unwrap().end_erasing(who, batches);
    }
    db.gc(&at_once(), |_| {}).await.unwrap();
    check("after gc").await;
}

fn interleave(seed: u64, faults: &Arc<Faults>) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .max_blocking_threads(4)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let shared = Arc::new(SimulatedObjects::default());
        let calm = SimulatedStore::new(&shared, seed, Trouble::default(), faults);
        if random.random_bool(0.5) {
            drop(open(calm.clone(), Opening::MakesTheRoot).await.unwrap());
        }
        let share = *[0.0, 0.02, 0.06].choose(&mut random).unwrap();
        let stale = if random.random_bool(0.3) { 0.2 } else { 0.0 };
        let trouble = Trouble { errors: share, stale };
        let ledger = Mutex::new(Ledger::new(DAYS));
        let world = World { lags: stale > 0.0, ledger, tally: Mutex::default() };
        let actors = (0..3).map(|actor| {
            let store = SimulatedStore::new(&shared, seed ^ (actor + 1) << 32, trouble, faults);
            let random = ChaCha8Rng::seed_from_u64(random.random());
            act(&world, store, random, 4)
        });
        futures::future::join_all(actors.collect::<Vec<_>>()).await;
        let store = SimulatedStore::new(&shared, seed ^ 99 << 32, trouble, faults);
        act(&world, store, ChaCha8Rng::seed_from_u64(random.random()), 2).await;
        settle(&world, calm).await;
        world.tally.into_inner().unwrap()
    })
}

#[test]
fn every_acknowledged_row_counts_once_whoever_does_what() {
    let runs = number("TALLYBOOK_MODEL_RUNS").unwrap_or(300);
    let first = number("TALLYBOOK_MODEL_SEED").unwrap_or(1);
    let faults = Arc::new(Faults::default());
    let next = std::sync::atomic::AtomicU64::new(first);
    let total = Mutex::new(Tally::default());
    let started = std::time::Instant::now();
    on_all_cores(1, || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + runs {
                return;
            }
            let repeat = OnPanic::say(format!(
                "TALLYBOOK_MODEL_RUNS=1 TALLYBOOK_MODEL_SEED={seed} repeats it"
            ));
            let tally = interleave(seed, &faults);
            repeat.silence();
            let mut total = total.lock().unwrap();
            total.operations += tally.operations;
            total.answers += tally.answers;
            total.errors += tally.errors;
            total.deaths += tally.deaths;
        }
    });
    let total = total.into_inner().unwrap();
    eprintln!(
        "{runs} interleavings in {:.0} s: {} operations, {} answers beside those at the end, {} \
         errors, {} deaths; {} calls failed, {} answers lost, {} listings stale",
        started.elapsed().as_secs_f64(),
        total.operations,
        total.answers,
        total.errors,
        total.deaths,
        faults.failed.load(Ordering::Relaxed),
        faults.lost.load(Ordering::Relaxed),
        faults.stale.load(Ordering::Relaxed)
    );
    assert!(total.answers > 0 && total.deaths > 0);
}
