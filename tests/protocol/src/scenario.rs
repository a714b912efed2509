//! A scenario: which processes run how often, and what else may happen.

use crate::actor::{ACTORS, Actor};
use crate::day::DAYS;
use crate::leaf::{Leaf, Order, Part};
use crate::rows::Rows;
use crate::rules::Rules;
use crate::transitions::Taken;
use std::sync::Arc;

/// What is explored.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each of them is turned on on its own")]
pub struct Scenario {
    /// What runs, for reports.
    pub name: &'static str,
    /// The rules that are kept.
    pub rules: Rules,
    /// How often each process may start.
    pub runs: [u8; ACTORS],
    /// The day of the named batch's second leaf: 0 or 1.
    pub second_leaf_day: usize,
    /// The named batch is published and acknowledged from the start.
    pub published: bool,
    /// The foreign file is there from the start.
    pub foreign: bool,
    /// A retry may be given its rows in another order.
    pub other_order: bool,
    /// A snapshot lists a day in two steps.
    pub split_snapshots: bool,
    /// gc deletes in any order.
    pub any_order: bool,
    /// Every process may die between any two steps.
    pub deaths: bool,
    /// The answer of a create may get lost.
    pub lost_answers: bool,
    /// A written file may be damaged.
    pub bad_writes: bool,
    /// The late row is one that the first erasure matches.
    pub late_row_erased: bool,
    /// The owner of the foreign file copies or touches it, once.
    pub foreign_touched: bool,
    /// The owner of the foreign file rewrites it, once.
    pub foreign_rewritten: bool,
    /// The root is copied without `_m/`, once.
    pub copy_without_manifests: bool,
    /// A late leaf on a purged day is lost, once.
    pub late_leaf_lost: bool,
    /// Files that a newest manifest names rot, once.
    pub rot: bool,
    /// The number of files in a generation.
    pub parts: u8,
    /// Which transitions were taken in any exploration of this scenario.
    pub taken: Arc<Taken>,
}

impl Scenario {
    /// The highest generation of a day that is explored.
    pub const GENERATIONS_MAX: u8 = 6;

    /// A scenario in which nothing happens yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            rules: Rules::ALL,
            runs: [0; ACTORS],
            second_leaf_day: 0,
            published: false,
            foreign: false,
            other_order: false,
            split_snapshots: false,
            any_order: false,
            deaths: false,
            lost_answers: false,
            bad_writes: false,
            late_row_erased: false,
            foreign_touched: false,
            foreign_rewritten: false,
            copy_without_manifests: false,
            late_leaf_lost: false,
            rot: false,
            parts: 1,
            taken: Arc::default(),
        }
    }

    /// Lets a process start so many times.
    #[must_use]
    pub fn with(mut self, actor: Actor, runs: u8) -> Self {
        self.runs[actor.index()] = runs;
        self
    }

    /// Changes anything else.
    #[must_use]
    pub fn set(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// How many days this scenario uses.
    #[must_use]
    pub const fn days(&self) -> usize {
        if self.second_leaf_day == 0 { 1 } else { DAYS }
    }

    /// The day of a part.
    #[must_use]
    pub fn day_of(&self, part: Part) -> usize {
        if part == Part::Second { self.second_leaf_day } else { 0 }
    }

    /// The rows that an erasure matches.
    #[must_use]
    pub const fn matched_by(&self, actor: Actor) -> Rows {
        if matches!(actor, Actor::SecondErase) {
            return Rows::SECOND_Y;
        }
        let first = Rows::FIRST_X.with(Rows::SECOND_X).with(Rows::FOREIGN_OLD).with(Rows::MENDED_X);
        if self.late_row_erased { first.with(Rows::LATE) } else { first }
    }

    /// The rows that may be on a day.
    #[must_use]
    pub const fn rows_of_day(&self, day: usize) -> Rows {
        let second = Rows::SECOND_X.with(Rows::SECOND_Y);
        if day != 0 {
            return second;
        }
        let first = Rows::FIRST_X
            .with(Rows::LATE)
            .with(Rows::FOREIGN_OLD)
            .with(Rows::FOREIGN_NEW)
            .with(Rows::MENDED)
            .with(Rows::MENDED_X);
        if self.second_leaf_day == 0 { first.with(second) } else { first }
    }

    /// The leaf of a part as its writer would publish it first.
    #[must_use]
    pub const fn published_leaf(part: Part) -> Leaf {
        Leaf::Rows(part.rows(Order::AsClaimed))
    }
}
