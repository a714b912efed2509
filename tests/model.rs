//! Random interleavings of everything that a root can be asked to do, by several actors at once, over
//! a store that fails, loses answers, lists stale and lets actors die; against a model of which rows
//! an answer may hold.
//!
//! Batch `k` has a row of value `4^k` for each of its days and organizations, so that the sum of a
//! day and an organization says in its digits how often each batch was counted.
//!
//! `TALLYBOOK_MODEL_RUNS` is the number of interleavings, `TALLYBOOK_MODEL_SEED` the first seed: a
//! failure names the seed that repeats it with one run.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{
    AppendOptions, BatchId, CompactOptions, ErrorKind, FixedClock, GcOptions, Input, JobOptions,
    PurgeOptions, Question, Route, Settings, Span, Tallybook,
};

use crate::support::{
    SMALL_LOG, day,
    many::{OnPanic, number, on_all_cores},
    simulated_store::{Faults, SimulatedObjects, SimulatedStore, Trouble},
    try_answer,
};

/// A finished day, one that may be purged, and today.
const DAYS: [&str; 3] = ["2026-01-01", "2026-01-02", "2026-01-03"];
const WHO: [&str; 2] = ["a", "b"];
const ASK: &str =
    "SELECT CAST(date AS TEXT) AS d, who, sum(v) AS v, count(*) AS n FROM log GROUP BY 1, 2";

/// How far a batch's append is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Batch {
    /// It was begun; its rows may be there, each once.
    Begun,
    /// It was acknowledged; its rows are there.
    Done,
}

/// What is known of a root from outside.
#[derive(Clone, Debug, Default)]
struct Model {
    batches: Vec<(BTreeSet<&'static str>, Batch)>,
    /// Whose rows somebody began to erase.
    erasing: BTreeSet<&'static str>,
}

impl Model {
    /// Checks an answer that was asked for when `before` held, and given now.
    fn check(&self, before: &Self, answer: &str) -> Result<(), String> {
        let mut rows = BTreeMap::new();
        for line in answer.lines().skip(1) {
            let cells: Vec<_> = line.split(',').collect();
            let numbers = (cells[2].parse::<i64>().unwrap(), cells[3].parse::<i64>().unwrap());
            rows.insert((cells[0].to_owned(), cells[1].to_owned()), numbers);
        }
        for day in DAYS {
            for who in WHO {
                let (mut sum, count) =
                    rows.get(&(day.to_owned(), who.to_owned())).copied().unwrap_or_default();
                let mut counted = 0;
                for (batch, (days, state)) in self.batches.iter().enumerate() {
                    let times = sum % 4;
                    sum /= 4;
                    counted += times;
                    let done_before =
                        before.batches.get(batch).map(|(_, state)| *state) == Some(Batch::Done);
                    let must = done_before && days.contains(day) && !self.erasing.contains(who);
                    let may = days.contains(day);
                    if times > i64::from(may) || times < i64::from(must) {
                        return Err(format!(
                            "{day} {who}: batch {batch}, {state:?}, is counted {times} times\n{answer}"
                        ));
                    }
                }
                if sum != 0 || counted != count {
                    return Err(format!("{day} {who}: {count} rows\n{answer}"));
                }
            }
        }
        Ok(())
    }
}

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
    model: Mutex<Model>,
    tally: Mutex<Tally>,
}

async fn open(store: SimulatedStore) -> Result<Tallybook, tallybook::Error> {
    let clock = Arc::new(FixedClock::noon_of(day(DAYS[2])));
    let settings = Settings { streams: 1, min_span_days: 0, ..Settings::default() };
    let definition = Some((SMALL_LOG, "log.toml"));
    Tallybook::create_in(Arc::new(store), "simulated", definition, settings, clock).await
}

async fn append(
    book: &Tallybook,
    batch: usize,
    days: &BTreeSet<&str>,
) -> Result<(), tallybook::Error> {
    let value = 4_i64.pow(u32::try_from(batch).unwrap());
    let mut lines = String::new();
    for day in days {
        for who in WHO {
            lines += &format!(
                "{{\"at\":\"{day}T0{}:00:00Z\",\"who\":\"{who}\",\"v\":{value}}}\n",
                batch % 10
            );
        }
    }
    let options = AppendOptions {
        batch: Some(BatchId::try_new(format!("batch {batch}")).unwrap()),
        ..AppendOptions::default()
    };
    book.append(vec![Input::bytes("x.ndjson", lines)], options).await.map(drop)
}

/// All is as old as it needs to be: what is deleted is what nothing refers to, whenever that began.
fn at_once() -> GcOptions {
    GcOptions { grace: Duration::ZERO, abandoned: Duration::ZERO, dry_run: false }
}

/// One random operation. Errors are what a store in trouble leads to, but never `Corrupt` or worse.
async fn operate(world: &World, book: &Tallybook, random: &mut ChaCha8Rng, collects: bool) {
    world.tally.lock().unwrap().operations += 1;
    let done = match random.random_range(0..12) {
        0..3 => {
            let days: BTreeSet<_> =
                DAYS.into_iter().filter(|_| random.random_bool(0.6)).chain([DAYS[0]]).collect();
            let batch = {
                let mut model = world.model.lock().unwrap();
                model.batches.push((days.clone(), Batch::Begun));
                model.batches.len() - 1
            };
            let appended = append(book, batch, &days).await;
            if appended.is_ok() {
                world.model.lock().unwrap().batches[batch].1 = Batch::Done;
            }
            appended
        }
        3 => {
            let batches = world.model.lock().unwrap().batches.clone();
            let chosen = (0..batches.len()).collect::<Vec<_>>().choose(random).copied();
            let Some(batch) = chosen else { return };
            let appended = append(book, batch, &batches[batch].0).await;
            if appended.is_ok() {
                world.model.lock().unwrap().batches[batch].1 = Batch::Done;
            }
            appended
        }
        4 | 5 => book.rollup(&JobOptions::default(), |_, _| {}).await,
        6 | 7 => book.compact(&CompactOptions::default(), |_, _| {}).await,
        8 if collects => book.gc(&at_once(), |_| {}).await,
        9 => {
            let options = PurgeOptions { older_than_days: 1, dry_run: false };
            book.purge(&options, |_, _| {}).await
        }
        10 if random.random_bool(0.3) => {
            let who = WHO[0];
            world.model.lock().unwrap().erasing.insert(who);
            let columns = [("who".to_owned(), who.to_owned())];
            Box::pin(book.erase(&columns, false, |_, _| {})).await
        }
        _ => {
            let known = || world.model.lock().unwrap().clone();
            let before = if world.lags { Model::default() } else { known() };
            let answered = try_answer(book, &Question::sql(ASK)).await;
            answered.map(|(answer, _)| {
                world.tally.lock().unwrap().answers += 1;
                let now = world.model.lock().unwrap();
                now.check(&before, &answer).unwrap_or_else(|wrong| panic!("{wrong}\n{now:?}"));
            })
        }
    };
    if let Err(error) = done {
        world.tally.lock().unwrap().errors += 1;
        let expected = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::NotFound | ErrorKind::Conflict
        );
        assert!(expected, "{:?}: {error}", error.kind());
    }
}

/// An actor: some operations, in which it may die and come back with nothing but the store.
async fn act(
    world: &World,
    store: SimulatedStore,
    mut random: ChaCha8Rng,
    operations: usize,
    collects: bool,
) {
    for _ in 0..operations {
        let Ok(book) = open(store.clone()).await else { continue };
        let dies = random.random_bool(0.15).then(|| random.random_range(1_u64..40));
        let operation = operate(world, &book, &mut random, collects);
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
    let book = open(store).await.unwrap();
    let batches = world.model.lock().unwrap().batches.clone();
    let check = async |when: &str| {
        let now = world.model.lock().unwrap().clone();
        for route in [Route::Raw, Route::Auto] {
            match try_answer(&book, &Question::sql(ASK).by_route(route)).await {
                Ok((answer, _)) => {
                    let found = now.check(&now, &answer);
                    found.unwrap_or_else(|wrong| panic!("{when}, {route}: {wrong}\n{now:?}"));
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
    for (batch, (days, _)) in batches.iter().enumerate() {
        append(&book, batch, days).await.unwrap();
        world.model.lock().unwrap().batches[batch].1 = Batch::Done;
    }
    check("after all retries").await;
    book.rollup(&JobOptions::default(), |task, outcome| {
        assert!(matches!(outcome, tallybook::Outcome::Built { .. }), "{} {outcome:?}", task.day);
    })
    .await
    .unwrap();
    book.compact(&CompactOptions::default(), |_, done| {
        assert!(matches!(done, tallybook::Compaction::Compacted { .. }), "{done:?}");
    })
    .await
    .unwrap();
    check("after a job").await;
    let difference = book.verify(Span::ALL, |_| {}).await.unwrap();
    assert_eq!(difference, None);
    let erased = world.model.lock().unwrap().erasing.clone();
    for who in &erased {
        Box::pin(book.erase(&[("who".to_owned(), (*who).to_owned())], false, |_, _| {}))
            .await
            .unwrap();
    }
    book.gc(&at_once(), |_| {}).await.unwrap();
    check("after gc").await;
    let (answer, _) = try_answer(&book, &Question::sql(ASK)).await.unwrap();
    for who in erased {
        assert!(!answer.contains(&format!(",{who},")), "{who} was erased\n{answer}");
    }
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
        drop(open(calm.clone()).await.unwrap());
        let share = *[0.0, 0.02, 0.06].choose(&mut random).unwrap();
        let stale = if random.random_bool(0.3) { 0.2 } else { 0.0 };
        let trouble = Trouble { errors: share, stale };
        let world = World { lags: stale > 0.0, model: Mutex::default(), tally: Mutex::default() };
        let actors = (0..3).map(|actor| {
            let store = SimulatedStore::new(&shared, seed ^ (actor + 1) << 32, trouble, faults);
            let random = ChaCha8Rng::seed_from_u64(random.random());
            // What one deletes at once, others may be about to read: only who is alone collects.
            act(&world, store, random, 3, false)
        });
        futures::future::join_all(actors.collect::<Vec<_>>()).await;
        let store = SimulatedStore::new(&shared, seed ^ 99 << 32, trouble, faults);
        act(&world, store, ChaCha8Rng::seed_from_u64(random.random()), 2, true).await;
        settle(&world, calm).await;
        world.tally.into_inner().unwrap()
    })
}

#[test]
fn every_acknowledged_row_counts_once_whoever_does_what() {
    let runs = number("TALLYBOOK_MODEL_RUNS").unwrap_or(1000);
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
