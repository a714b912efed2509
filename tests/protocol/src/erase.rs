//! Erase: the fence, its voids, and the look at each day until no matching row is left.

use crate::actor::Actor;
use crate::leaf::{Leaf, Part};
use crate::process::{ANSWER_LOST, Process};
use crate::rewrite::Kind;
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Claims, Foreign, State};

/// An erasure between two steps that rewrite no day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Erase {
    /// What it does next.
    pub stage: EraseStage,
    /// The claims that its listing has shown.
    pub seen: Claims,
    /// How many rewritings it has begun: each is an attempt of its own.
    pub rewritings: u8,
    /// The matching rows that were acknowledged or claimed before it started.
    pub covered: Rows,
}

/// The next step of an erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EraseStage {
    /// Look whether a claimed leaf is there, absorbed or voided.
    Fence {
        /// The leaf's part.
        part: Part,
        /// The try that the leaf's id belongs to.
        try_number: u8,
    },
    /// Create a void at the leaf's name.
    Void {
        /// The leaf's part.
        part: Part,
        /// The try that the leaf's id belongs to.
        try_number: u8,
    },
    /// Look whether a day has matching rows.
    Look(u8),
    /// Create the manifest after the newest one, because an intent lies above that: what is in
    /// flight may hold rows of a foreign file that its owner has rewritten since.
    Close {
        /// The day.
        day: u8,
        /// The newest generation.
        newest: u8,
    },
}

impl EraseStage {
    /// The transition that the next step takes.
    #[must_use]
    pub const fn transition(self) -> &'static str {
        match self {
            Self::Fence { .. } => "erase.fence",
            Self::Void { .. } => "erase.void",
            Self::Look(_) => "erase.look",
            Self::Close { .. } => "gc.close",
        }
    }
}

impl Erase {
    pub(crate) fn at(self, stage: EraseStage) -> Process {
        Process::Erase(Self { stage, ..self })
    }

    /// The fence at the part after this one, or the first look.
    fn after(self, part: Option<Part>) -> Process {
        let parts = self.seen.parts();
        let place = part.map_or(0, |done| {
            1 + parts.iter().position(|part| *part == done).unwrap_or(parts.len())
        });
        self.at(match parts.get(place) {
            Some(part) => EraseStage::Fence { part: *part, try_number: 0 },
            None => EraseStage::Look(0),
        })
    }
}

impl Scenario {
    /// Lists and reads the claims.
    pub(crate) fn start_erase(&self, state: &mut State, actor: Actor) -> bool {
        let matched = self.matched_by(actor);
        let before = state.history.acknowledged.with(state.claims.rows());
        let foreign = state.foreign.map_or(Rows::NONE, Foreign::rows);
        let covered = matched.common(before.with(foreign));
        state.history.erasing = state.history.erasing.with(matched);
        let erase =
            Erase { stage: EraseStage::Look(0), seen: state.claims, rewritings: 0, covered };
        let next = if self.rules.fence { erase.after(None) } else { erase.at(EraseStage::Look(0)) };
        state.goes_on(actor, next);
        true
    }

    /// The next step of an erasure.
    pub(crate) fn step_erase(&self, state: &mut State, actor: Actor, erase: Erase, choice: u8) {
        match erase.stage {
            EraseStage::Fence { part, try_number } => {
                let next = self.fence(state, actor, erase, part, try_number);
                state.goes_on(actor, next);
            }
            EraseStage::Void { part, try_number } => {
                let matched = self.matched_by(actor);
                let leaf = state.leaf_mut(part.id(try_number));
                let absent = *leaf == Leaf::Absent;
                if absent {
                    *leaf = Leaf::Void(matched);
                }
                let settled = absent && choice != ANSWER_LOST;
                let next = if settled {
                    erase.after(Some(part))
                } else {
                    erase.at(EraseStage::Fence { part, try_number })
                };
                state.goes_on(actor, next);
            }
            EraseStage::Look(day) => {
                let kind = Kind::Erase(Erase { stage: EraseStage::Look(day), ..erase });
                self.begin_snapshot(state, actor, kind, day);
            }
            EraseStage::Close { day, newest } => {
                // Taken: another generation is committed. Either way the next look tells.
                Self::close(state, actor, usize::from(day), newest);
                state.goes_on(actor, erase.at(EraseStage::Look(day)));
            }
        }
    }

    /// What follows from what lies at the name of a claimed leaf.
    fn fence(
        &self,
        state: &State,
        actor: Actor,
        erase: Erase,
        part: Part,
        try_number: u8,
    ) -> Process {
        let id = part.id(try_number);
        let day = self.day_of(part);
        let view = self.view(state, day);
        if view.absorbed_rows().has(id)
            || (!self.rules.fence_on_empty_days && view.fingerprint.is_empty())
        {
            return erase.after(Some(part));
        }
        match state.leaf(id) {
            Leaf::Absent => erase.at(EraseStage::Void { part, try_number }),
            // Later tries lack the rows of this void. They may have matching rows that it lacks.
            Leaf::Void(rows)
                if rows.common(self.matched_by(actor)) != self.matched_by(actor)
                    && self.rules.fence_follows_tries
                    && try_number + 1 < part.tries() =>
            {
                erase.at(EraseStage::Fence { part, try_number: try_number + 1 })
            }
            Leaf::Void(_) | Leaf::GivenUp | Leaf::Rows(_) => erase.after(Some(part)),
        }
    }

    /// No matching row is left on a day: the next day, or the erasure returns.
    pub(crate) fn leave_day(&self, state: &mut State, actor: Actor, erase: Erase, day: u8) {
        if usize::from(day) + 1 < self.days() {
            state.goes_on(actor, erase.at(EraseStage::Look(day + 1)));
        } else {
            state.history.erased = state.history.erased.with(erase.covered);
        }
    }
}
