//! The state that is explored: the store, the processes, and what the invariants remember.

use crate::actor::{ACTORS, Actor};
use crate::day::{DAYS, Day};
use crate::hint::{Hint, MonthHint};
use crate::invariants::Violation;
use crate::leaf::{Ids, LEAVES, Leaf, LeafId, Order, Part};
use crate::process::Process;
use crate::rows::Rows;
use crate::scenario::Scenario;
use std::sync::Arc;

/// The file of another tool in the first day's folder. Its path never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Foreign {
    /// The hash of its bytes: 0 as written first, 1 as rewritten.
    pub content: u8,
    /// What a listing shows of it: size, time and tag.
    pub key: u8,
}

impl Foreign {
    /// Its rows.
    #[must_use]
    pub const fn rows(self) -> Rows {
        if self.content == 0 { Rows::FOREIGN_OLD } else { Rows::FOREIGN_NEW }
    }

    /// Its identity, which a manifest may absorb.
    #[must_use]
    pub const fn id(self) -> Ids {
        Ids::foreign(self.content)
    }
}

/// Which claims of the named batch exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claims {
    /// None.
    None,
    /// Claim 0, whose leaves are cut in this order.
    First(Order),
    /// Claim 0 and claim 1, which replaces it.
    Second(Order),
}

impl Claims {
    /// The cut of claim 0.
    #[must_use]
    pub const fn order(self) -> Order {
        match self {
            Self::None => Order::AsClaimed,
            Self::First(order) | Self::Second(order) => order,
        }
    }

    /// The parts that claims list.
    #[must_use]
    pub const fn parts(self) -> &'static [Part] {
        match self {
            Self::None => &[],
            Self::First(_) => &[Part::First, Part::Second],
            Self::Second(_) => &[Part::First, Part::Second, Part::Mended],
        }
    }

    /// All rows of all claims.
    #[must_use]
    pub fn rows(self) -> Rows {
        self.parts().iter().fold(Rows::NONE, |rows, part| rows.with(part.rows(Order::AsClaimed)))
    }
}

/// What the invariants remember. No process reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each tells of an event of its own")]
pub struct History {
    /// The rows of acknowledged batches.
    pub acknowledged: Rows,
    /// The rows that an erasure matches that has begun.
    pub erasing: Rows,
    /// The rows that must stay away, because an erasure that covers them has returned.
    pub erased: Rows,
    /// Claim 0 was given up.
    pub given_up: bool,
    /// The root is a copy without `_m/`.
    pub copied: bool,
    /// A late leaf was lost from outside.
    pub late_leaf_lost: bool,
    /// The foreign file was touched.
    pub touched: bool,
    /// The foreign file was rewritten.
    pub rewritten: bool,
    /// Files of a newest manifest rotted.
    pub rotten: bool,
    /// The rows whose last copies were lost from outside.
    pub lost: Rows,
    /// What a step did that it must not do.
    pub violation: Option<Violation>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// What lies at the name of each leaf.
    pub leaves: [Leaf; LEAVES],
    /// The file of another tool.
    pub foreign: Option<Foreign>,
    /// The claims of the named batch.
    pub claims: Claims,
    /// The folders of the days.
    pub days: [Arc<Day>; DAYS],
    /// Hints of days, in order.
    pub hints: Arc<Vec<Hint>>,
    /// Hints of the month, in order.
    pub months: Arc<Vec<MonthHint>>,
    /// The number of the newest definition.
    pub definitions: u8,
    /// What each process is about to do.
    pub processes: [Process; ACTORS],
    /// How often each process may still start.
    pub runs: [u8; ACTORS],
    /// What the invariants remember.
    pub history: History,
}

impl State {
    /// The state in which a scenario begins.
    #[must_use]
    pub fn initial(scenario: &Scenario) -> Self {
        let mut state = Self {
            leaves: [Leaf::Absent; LEAVES],
            foreign: scenario.foreign.then_some(Foreign { content: 0, key: 0 }),
            claims: Claims::None,
            days: std::array::from_fn(|_| Arc::default()),
            hints: Arc::default(),
            months: Arc::default(),
            definitions: 1,
            processes: std::array::from_fn(|_| Process::Off),
            runs: scenario.runs,
            history: History::default(),
        };
        if scenario.published {
            state.claims = Claims::First(Order::AsClaimed);
            for part in [Part::First, Part::Second] {
                *state.leaf_mut(part.id(0)) = Scenario::published_leaf(part);
                state.acknowledge(part);
            }
        }
        state
    }

    /// What lies at a leaf's name.
    #[must_use]
    pub fn leaf(&self, id: LeafId) -> Leaf {
        self.leaves[usize::from(id)]
    }

    /// What lies at a leaf's name, to change it.
    pub fn leaf_mut(&mut self, id: LeafId) -> &mut Leaf {
        &mut self.leaves[usize::from(id)]
    }

    /// A day's folder, to change it.
    pub fn day_mut(&mut self, day: usize) -> &mut Day {
        Arc::make_mut(&mut self.days[day])
    }

    /// The leaf ids of which something lies at their names: rows or voids.
    #[must_use]
    pub fn present(&self) -> Ids {
        (0..)
            .zip(&self.leaves)
            .filter(|(_, leaf)| **leaf != Leaf::Absent)
            .fold(Ids::NONE, |ids, (id, _)| ids.and(id))
    }

    /// The rows in some leaves.
    #[must_use]
    pub fn rows_in(&self, ids: Ids) -> Rows {
        ids.leaves().fold(Rows::NONE, |rows, id| rows.plus(self.leaf(id).rows()))
    }

    /// How many rewritings of one run have names of their own.
    pub const REWRITINGS_MAX: u8 = 4;

    /// The attempt of a rewriting in a run of a process. Less than four runs may be left.
    #[must_use]
    pub fn attempt_of(&self, actor: Actor, rewriting: u8) -> u8 {
        actor as u8 + 16 * self.runs[actor.index()] + 64 * rewriting
    }

    /// What a process will do next.
    pub fn goes_on(&mut self, actor: Actor, process: Process) {
        self.processes[actor.index()] = process;
    }

    /// Remembers that the batch of a part was acknowledged.
    pub fn acknowledge(&mut self, part: Part) {
        let rows = match part {
            Part::First | Part::Second => {
                Part::First.rows(Order::AsClaimed).with(Part::Second.rows(Order::AsClaimed))
            }
            Part::Late | Part::Mended => part.rows(Order::AsClaimed),
        };
        self.history.acknowledged = self.history.acknowledged.with(rows);
    }

    /// Remembers the first thing that must not have happened.
    pub fn violate(&mut self, violation: Violation) {
        self.history.violation.get_or_insert(violation);
    }
}
