//! The expected content of a root that many processes change at once: the rows that an answer must
//! have, and the rows that it may have.
//!
//! Batch `k` has a row of value `4^k` for each of its days and people. So the digits, base 4, of
//! the sum of a day and a person are the numbers of times that each batch was counted.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

pub(crate) const WHO: [&str; 2] = ["a", "b"];

/// The query whose answers are checked, for a root of [`SMALL_LOG`](super::small_log::SMALL_LOG).
pub(crate) const ASK: &str =
    "SELECT CAST(date AS TEXT) AS d, who, sum(v) AS v, count(*) AS n FROM log GROUP BY 1, 2";

/// The maximum number of batches. The sum of more doesn't fit 64 bits.
const BATCHES_MAX: usize = 30;

/// The state of a batch's append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The append was begun. The batch's rows may be there, each once.
    Begun,
    /// The append was acknowledged. The batch's rows are there.
    Done,
}

/// The batches that were begun, and the people whose rows were erased.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    days: Vec<String>,
    /// The days of each batch, as indexes of `days`, and its state.
    batches: Vec<(BTreeSet<usize>, State)>,
    /// The people whose rows an erasure began to erase.
    erasing: BTreeSet<&'static str>,
    /// For each person, the batches that a finished erasure must have erased: they were
    /// acknowledged before the erasure began.
    erased: BTreeMap<&'static str, BTreeSet<usize>>,
}

impl Ledger {
    /// A ledger without any batches, over these days.
    pub(crate) fn new<D: ToString>(days: impl IntoIterator<Item = D>) -> Self {
        Self {
            days: days.into_iter().map(|day| day.to_string()).collect(),
            batches: Vec::new(),
            erasing: BTreeSet::new(),
            erased: BTreeMap::new(),
        }
    }

    /// A ledger before any batch. As `before`, it allows answers from old listings.
    #[allow(dead_code, reason = "only the simulation has listings of some time ago")]
    pub(crate) fn forgotten(&self) -> Self {
        Self::new(&self.days)
    }

    /// A new batch of rows on some days; `None` at the maximum number of batches.
    pub(crate) fn begin(&mut self, random: &mut ChaCha8Rng) -> Option<usize> {
        let of_some = |_: &usize| random.random_bool(0.6);
        let mut days: BTreeSet<_> = (0..self.days.len()).filter(of_some).collect();
        if days.is_empty() {
            days.insert(0);
        }
        (self.batches.len() < BATCHES_MAX).then(|| {
            self.batches.push((days, State::Begun));
            self.batches.len() - 1
        })
    }

    /// A random batch that was begun; `None` when there is none.
    pub(crate) fn any(&self, random: &mut ChaCha8Rng) -> Option<usize> {
        (0..self.batches.len()).collect::<Vec<_>>().choose(random).copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Records that the batch was acknowledged.
    pub(crate) fn done(&mut self, batch: usize) {
        self.batches[batch].1 = State::Done;
    }

    /// The batch's rows, as NDJSON.
    pub(crate) fn lines(&self, batch: usize) -> Vec<String> {
        let value = 4_i64.pow(u32::try_from(batch).unwrap());
        let hour = batch % 24;
        let of_day = |day: &usize| {
            let day = &self.days[*day];
            WHO.map(|who| {
                format!("{{\"at\":\"{day}T{hour:02}:00:00Z\",\"who\":\"{who}\",\"v\":{value}}}\n")
            })
        };
        self.batches[batch].0.iter().flat_map(of_day).collect()
    }

    /// Records that an erasure begins. Gives the batches whose rows it must erase.
    pub(crate) fn begin_erasing(&mut self, who: &'static str) -> BTreeSet<usize> {
        self.erasing.insert(who);
        let done = self.batches.iter().enumerate();
        done.filter(|(_, (_, state))| *state == State::Done).map(|(batch, _)| batch).collect()
    }

    /// Records that the erasure of these batches has ended.
    pub(crate) fn end_erasing(&mut self, who: &'static str, batches: BTreeSet<usize>) {
        self.erased.entry(who).or_default().extend(batches);
    }

    /// The people whose rows an erasure began to erase.
    pub(crate) fn erasing(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.erasing.clone().into_iter()
    }

    /// Checks an answer to [`ASK`]. `before` is the ledger when the query began, and `self` is the
    /// ledger when the answer was there.
    pub(crate) fn check(&self, before: &Self, answer: &str) -> Result<(), String> {
        let mut rows = BTreeMap::new();
        for line in answer.lines().skip(1) {
            let cells: Vec<_> = line.split(',').collect();
            let numbers = (cells[2].parse::<i64>().unwrap(), cells[3].parse::<i64>().unwrap());
            rows.insert((cells[0].to_owned(), cells[1].to_owned()), numbers);
        }
        for (at, day) in self.days.iter().enumerate() {
            for who in WHO {
                let found = rows.remove(&(day.clone(), who.to_owned())).unwrap_or_default();
                self.check_one(before, (at, who), found)
                    .map_err(|wrong| format!("{day} {who}: {wrong}\n{answer}\n{self:?}"))?;
            }
        }
        if rows.is_empty() { Ok(()) } else { Err(format!("nobody appended these: {rows:?}")) }
    }

    fn check_one(
        &self,
        before: &Self,
        (day, who): (usize, &str),
        (mut sum, count): (i64, i64),
    ) -> Result<(), String> {
        let mut counted = 0;
        for (batch, (days, state)) in self.batches.iter().enumerate() {
            let times = sum % 4;
            sum /= 4;
            counted += times;
            let was_done = matches!(before.batches.get(batch), Some((_, State::Done)));
            let must = was_done && days.contains(&day) && !self.erasing.contains(who);
            let is_gone = before.erased.get(who).is_some_and(|erased| erased.contains(&batch));
            let may = days.contains(&day) && !is_gone;
            if times > i64::from(may) || times < i64::from(must) {
                return Err(format!("batch {batch}, {state:?}, is counted {times} times"));
            }
        }
        if sum == 0 && counted == count {
            return Ok(());
        }
        Err(format!("{count} rows, of which {counted} are batches'"))
    }
}
