//! What a process is about to do, and the choices that its next step has.

use crate::actor::Actor;
use crate::append::{Append, AppendStage};
use crate::erase::{Erase, EraseStage};
use crate::gc::{Gc, GcStage};
use crate::hint::{Hint, MonthHint};
use crate::query::{Query, QueryStage};
use crate::repair::Repair;
use crate::rewrite::{Rewrite, RewriteStage};
use crate::scenario::Scenario;
use crate::snapshot::Snapshot;
use crate::state::State;
use std::sync::Arc;

/// The usual way a step goes.
pub const PLAIN: u8 = 0;
/// An append looks at the newest manifest instead of creating its leaf.
pub const LOOK: u8 = 1;
/// A create takes effect, and its answer is lost.
pub const ANSWER_LOST: u8 = 2;
/// A create does not take effect, and its answer is lost.
pub const REQUEST_LOST: u8 = 3;
/// A written file is damaged.
pub const BAD_WRITE: u8 = 4;

/// The places in gc's list of what to delete, where it deletes in any order.
const PLACES: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// A process between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Process {
    /// It does not run: not started, ended or dead.
    Off,
    /// A writer, a retry or a mender.
    Append(Append),
    /// `rollup` of a day: what it will create.
    Rollup(Arc<Hint>),
    /// `rollup` of a month: what it will create.
    RollupMonth(Arc<MonthHint>),
    /// A snapshot between its two listings.
    Snapshot(Arc<Snapshot>),
    /// A compaction, a purge, or an erasure of one day.
    Rewrite(Arc<Rewrite>),
    /// An erasure between two days.
    Erase(Erase),
    /// gc of a day.
    Gc(Arc<Gc>),
    /// A query of a day.
    Query(Arc<Query>),
    /// `init --replace`, after it has read the newest definition's number.
    Define(u8),
    /// `repair` of a day: what it has concluded.
    Repair(Arc<Repair>),
}

impl Process {
    /// The transition that its next step takes.
    #[must_use]
    pub fn transition(&self) -> &'static str {
        match self {
            Self::Off => "",
            Self::Append(append) => append.transition(),
            Self::Rollup(_) => "rollup.segment",
            Self::RollupMonth(_) => "rollup.month",
            Self::Snapshot(snapshot) => snapshot.kind.snapshot_transition(),
            Self::Rewrite(rewrite) => rewrite.stage.transition(),
            Self::Erase(erase) => erase.stage.transition(),
            Self::Gc(gc) => gc.stage.transition(),
            Self::Query(query) => query.stage.transition(),
            Self::Define(_) => "init.definition",
            Self::Repair(_) => "repair.manifest",
        }
    }

    /// The ways in which its next step may go.
    #[must_use]
    pub fn choices(&self, scenario: &Scenario) -> &'static [u8] {
        let lost = scenario.lost_answers;
        match self {
            Self::Off => &[],
            Self::Append(append) => match append.stage {
                AppendStage::Publish if lost => &[PLAIN, LOOK, ANSWER_LOST],
                AppendStage::Publish => &[PLAIN, LOOK],
                AppendStage::GiveUp if lost => &[PLAIN, ANSWER_LOST],
                _ => &[PLAIN],
            },
            Self::Rewrite(rewrite) => match rewrite.stage {
                RewriteStage::Data if scenario.bad_writes => &[PLAIN, BAD_WRITE],
                RewriteStage::Commit if lost => &[PLAIN, ANSWER_LOST, REQUEST_LOST],
                _ => &[PLAIN],
            },
            Self::Erase(erase) => match erase.stage {
                EraseStage::Void { .. } if lost => &[PLAIN, ANSWER_LOST],
                _ => &[PLAIN],
            },
            Self::Gc(gc) if gc.stage == GcStage::Delete && scenario.any_order => {
                &PLACES[..gc.todo.len().min(PLACES.len())]
            }
            _ => &[PLAIN],
        }
    }
}

impl Scenario {
    /// How many ways there are for a process to start.
    #[must_use]
    pub fn starts(&self, actor: Actor) -> u8 {
        let days = if self.days() == 1 { 1 } else { 2 };
        match actor {
            Actor::Retry => 1 + u8::from(self.other_order),
            Actor::Rollup if days == 2 => 3,
            Actor::Late if self.lost_answers => 2,
            Actor::Rollup
            | Actor::Compact
            | Actor::Purge
            | Actor::Gc
            | Actor::SecondGc
            | Actor::Query
            | Actor::Repair => days,
            _ => 1,
        }
    }

    /// The first step of a run. False: there is nothing to do, or it cannot be done.
    pub fn start(&self, state: &mut State, actor: Actor, choice: u8) -> bool {
        match actor {
            Actor::Writer | Actor::Retry | Actor::Mender => self.start_append(state, actor, choice),
            Actor::Late => Self::append_late(state, choice),
            Actor::Rollup => self.start_rollup(state, choice),
            Actor::Compact | Actor::Purge => self.start_rewrite(state, actor, choice),
            Actor::Erase | Actor::SecondErase => self.start_erase(state, actor),
            Actor::Gc | Actor::SecondGc => self.start_gc(state, actor, usize::from(choice)),
            Actor::Query => self.start_query(state, usize::from(choice)),
            Actor::Define | Actor::SecondDefine => {
                state.goes_on(actor, Process::Define(state.definitions));
                true
            }
            Actor::Repair => self.start_repair(state, usize::from(choice)),
        }
    }

    /// The next step of a process. False: it cannot be taken in this way.
    pub fn step(&self, state: &mut State, actor: Actor, choice: u8) -> bool {
        let process = std::mem::replace(&mut state.processes[actor.index()], Process::Off);
        match process {
            Process::Off => return false,
            Process::Append(append) => return self.step_append(state, actor, append, choice),
            Process::Rollup(hint) => Self::create_hint(state, *hint),
            Process::RollupMonth(hint) => Self::create_month_hint(state, *hint),
            Process::Snapshot(snapshot) => {
                self.end_snapshot(state, actor, snapshot.kind, &snapshot);
            }
            Process::Rewrite(rewrite) => {
                self.step_rewrite(state, actor, Arc::unwrap_or_clone(rewrite), choice);
            }
            Process::Erase(erase) => self.step_erase(state, actor, erase, choice),
            Process::Gc(gc) => self.step_gc(state, actor, Arc::unwrap_or_clone(gc), choice),
            Process::Query(query) => self.step_query(state, Arc::unwrap_or_clone(query)),
            Process::Define(read) => Self::create_definition(state, read),
            Process::Repair(repair) => Self::commit_repair(state, &repair),
        }
        true
    }

    /// Creates the definition after the one that was read, if absent. Taken: refused.
    fn create_definition(state: &mut State, read: u8) {
        if state.definitions == read {
            state.definitions += 1;
        }
    }
}

impl GcStage {
    /// The transition that the next step takes.
    #[must_use]
    pub const fn transition(self) -> &'static str {
        match self {
            Self::SecondListing => "gc.list_manifests",
            Self::Prove => "gc.prove",
            Self::Close => "gc.close",
            Self::Delete => "gc.delete",
        }
    }
}

impl QueryStage {
    /// The transition that the next step takes.
    #[must_use]
    pub const fn transition(self) -> &'static str {
        match self {
            Self::SecondListing => "query.list_manifests",
            Self::Read => "query.read",
        }
    }
}
