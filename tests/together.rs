//! Processes run everything at once and die at any time: appends and their retries, `rollup`,
//! `nightly`, `compact`, `purge`, `erase`, `init --replace`, and `gc` without a grace period. Each
//! answer on the way is right, and at the end every row is there once.
//!
//! `TALLYBOOK_TOGETHER_SECONDS` is the duration of the test. `TALLYBOOK_TEST_SEED` is the seed of
//! the first life.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{Clock as _, Day, SystemClock};

use crate::support::{
    Ran, SMALL_LOG,
    ledger::{ASK, Ledger, WHO},
    many::{OnPanic, number},
    place::Place,
};

/// The number of processes at once.
const WORKERS: u64 = 3;

/// How long a root lives.
const LIFE: Duration = Duration::from_secs(12);

/// Additions to the definition. Answers don't depend on them.
const MORE: [&str; 3] = [
    "",
    "[[rollup]]\nname = \"all\"\ngrain = \"day\"\ndimensions = []\nmeasures = [\"sum(v) as v\"]\n",
    "[[rollup]]\nname = \"hours\"\ngrain = \"hour\"\ndimensions = [\"who\"]\nmeasures = [\"count(*) as n\"]\n",
];

#[derive(Default)]
struct Tally {
    done: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    deaths: usize,
    answers: usize,
}

struct Life {
    place: Place,
    ledger: Mutex<Ledger>,
    tally: Mutex<Tally>,
    until: Instant,
}

impl Life {
    fn begin(on_store: bool, today: Day) -> Self {
        let place = Place::new(on_store);
        if let Some(store) = &place.store {
            store.page_by(3);
        }
        for (at, more) in MORE.iter().enumerate() {
            place.sandbox.write(&format!("{at}.toml"), SMALL_LOG.to_owned() + more);
        }
        place.run(&["init", "0.toml"]).ok();
        // Two days of a month that is over, some finished days, and today.
        let month = today.plus(-70).period("month").unwrap().0;
        let days = [month, month.plus(1), today.plus(-3), today.plus(-2), today.plus(-1), today];
        let until = Instant::now() + LIFE;
        Self { place, ledger: Mutex::new(Ledger::new(days)), tally: Mutex::default(), until }
    }

    /// Runs the program; `None` when it died. A refusal must have a reason that concurrent work can
    /// cause.
    fn run(&self, args: &[&str], input: &str, dies_after: Option<Duration>) -> Option<Ran> {
        let Some(ran) = self.place.run_for(args, input.as_bytes(), dies_after) else {
            self.tally.lock().unwrap().deaths += 1;
            return None;
        };
        let says_no = ran.code == 1 && matches!(args[0], "status" | "verify");
        assert!(says_no || matches!(ran.code, 0 | 4 | 6 | 7), "{args:?}: {ran:?}");
        let mut tally = self.tally.lock().unwrap();
        let of = if ran.code == 0 { &mut tally.done } else { &mut tally.refused };
        *of.entry(format!("{} {}", args[0], ran.code)).or_default() += 1;
        Some(ran)
    }

    fn append(&self, batch: usize, random: &mut ChaCha8Rng, dies_after: Option<Duration>) -> bool {
        let mut lines = self.ledger.lock().unwrap().lines(batch);
        lines.shuffle(random);
        let id = format!("batch {batch}");
        let args = ["append", "--batch", &id, "--format", "ndjson"];
        let ran = self.run(&args, &lines.concat(), dies_after);
        let done = ran.is_some_and(|ran| ran.code == 0);
        if done {
            self.ledger.lock().unwrap().done(batch);
        }
        done
    }

    fn erase(&self, who: &'static str, dies_after: Option<Duration>) -> bool {
        let batches = self.ledger.lock().unwrap().begin_erasing(who);
        let of = format!("who={who}");
        let ran = self.run(&["erase", "--where", &of], "", dies_after);
        let done = ran.is_some_and(|ran| ran.code == 0);
        if done {
            self.ledger.lock().unwrap().end_erasing(who, batches);
        }
        done
    }

    fn ask(&self, when: &str) -> bool {
        let before = self.ledger.lock().unwrap().clone();
        let ran = self.run(&["query", ASK, "--format", "csv"], "", None);
        let Some(ran) = ran.filter(|ran| ran.code == 0) else { return false };
        let now = self.ledger.lock().unwrap().clone();
        now.check(&before, &ran.out).unwrap_or_else(|wrong| panic!("{when}: {wrong}"));
        self.tally.lock().unwrap().answers += 1;
        true
    }

    fn work(&self, mut random: ChaCha8Rng) {
        while Instant::now() < self.until {
            let dies = random.random_bool(0.3);
            let dies = dies.then(|| Duration::from_millis(random.random_range(5..400)));
            let plain = |args: &[&str]| drop(self.run(args, "", dies));
            match random.random_range(0..21) {
                0..4 => {
                    let batch = self.ledger.lock().unwrap().begin(&mut random);
                    batch.map(|batch| self.append(batch, &mut random, dies));
                }
                4..6 => {
                    let batch = self.ledger.lock().unwrap().any(&mut random);
                    batch.map(|batch| self.append(batch, &mut random, dies));
                }
                6..8 => plain(&["rollup"]),
                8 => plain(&["nightly"]),
                9..11 => plain(&["compact"]),
                11..14 => plain(&["gc", "--grace", "0s", "--abandoned", "0s"]),
                14 => plain(&["purge", "--older-than", "30d"]),
                15 => plain(&["purge", "--older-than", "2d"]),
                16 => drop(self.erase(WHO[0], dies)),
                17 => {
                    let definition = format!("{}.toml", random.random_range(0..MORE.len()));
                    plain(&["init", "--replace", &definition]);
                }
                18 => plain(&["verify"]),
                _ => drop(self.ask("meanwhile")),
            }
        }
    }

    /// Checks the root after all processes have ended.
    fn settle(&self, random: &mut ChaCha8Rng) {
        let must = |args: &[&str]| {
            let ran = self.place.run(args);
            assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        };
        let ask = |when| assert!(self.ask(when), "{when}: no answer");
        ask("at rest");
        let batches = self.ledger.lock().unwrap().len();
        for batch in 0..batches {
            assert!(self.append(batch, random, None), "batch {batch} again");
        }
        ask("after all retries");
        must(&["rollup", "--compact"]);
        ask("after a job");
        must(&["verify"]);
        let erasing = self.ledger.lock().unwrap().erasing();
        for who in erasing {
            assert!(self.erase(who, None), "erasing {who} again");
        }
        must(&["gc", "--grace", "0s", "--abandoned", "0s"]);
        ask("after gc");
        must(&["nightly"]);
        ask("after the nightly job");
        must(&["verify"]);
    }
}

#[test]
fn processes_that_do_everything_at_once_and_die() {
    let seconds = number("TALLYBOOK_TOGETHER_SECONDS").unwrap_or(45);
    let first = number("TALLYBOOK_TEST_SEED").unwrap_or(1);
    let (today, end) = (SystemClock.today(), Instant::now() + Duration::from_secs(seconds));
    let (mut lives, mut total) = (0, Tally::default());
    while Instant::now() < end {
        let seed = first + lives;
        let life = Life::begin(seed.is_multiple_of(2), today);
        let repeat = OnPanic::say(format!(
            "TALLYBOOK_TEST_SEED={seed} TALLYBOOK_TOGETHER_SECONDS=1 does the like again"
        ));
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let random = ChaCha8Rng::seed_from_u64(seed << 8 | worker);
                let life = &life;
                scope.spawn(move || life.work(random));
            }
        });
        life.settle(&mut ChaCha8Rng::seed_from_u64(seed << 8 | WORKERS));
        repeat.silence();
        let tally = life.tally.into_inner().unwrap();
        total.deaths += tally.deaths;
        total.answers += tally.answers;
        for (from, to) in [(tally.done, &mut total.done), (tally.refused, &mut total.refused)] {
            for (name, times) in from {
                *to.entry(name).or_default() += times;
            }
        }
        lives += 1;
    }
    eprintln!(
        "{lives} lives: {} answers right, {} deaths; done {:?}; refused {:?}",
        total.answers, total.deaths, total.done, total.refused
    );
    assert!(total.answers > 0 && total.deaths > 0);
}
