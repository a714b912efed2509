//! Append: claims, leaves, voids that are met, and giving up a claim.

use crate::actor::Actor;
use crate::invariants::Violation;
use crate::leaf::{Leaf, Order, Part};
use crate::process::{ANSWER_LOST, LOOK, Process};
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Claims, State};

/// A writer of the named batch between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Append {
    /// What it does next.
    pub stage: AppendStage,
    /// The claims that its listing has shown.
    pub seen: Claims,
    /// The order in which it was given its rows.
    pub order: Order,
    /// The part that it publishes.
    pub part: Part,
    /// The try under whose leaf id it publishes.
    pub try_number: u8,
    /// The rows that the voids of earlier tries took away.
    pub erased: Rows,
    /// Whether this run has created anything but the claim.
    pub changed: bool,
}

/// The next step of a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppendStage {
    /// Create or read the claim.
    Claim,
    /// Create the leaf.
    Publish,
    /// Look whether the leaf was absorbed, because a void lies at its name.
    VoidMet,
    /// Create a void at the name of leaf 0.
    GiveUp,
    /// Look whether leaf 0 was absorbed.
    LookAfterGivingUp,
    /// Create claim 1.
    NextClaim,
}

impl Append {
    /// The transition that the next step takes.
    #[must_use]
    pub const fn transition(&self) -> &'static str {
        match self.stage {
            AppendStage::Claim => "append.claim",
            AppendStage::Publish if self.try_number == 0 => "append.leaf",
            AppendStage::Publish => "append.next_try",
            AppendStage::VoidMet => "append.void_met",
            AppendStage::GiveUp | AppendStage::LookAfterGivingUp => "append.give_up",
            AppendStage::NextClaim => "append.next_claim",
        }
    }

    fn at(self, stage: AppendStage) -> Process {
        Process::Append(Self { stage, ..self })
    }

    fn next_try(self) -> Option<Self> {
        let try_number = self.try_number + 1;
        (try_number < self.part.tries()).then_some(Self { try_number, ..self })
    }
}

impl Scenario {
    /// Lists the claims of the batch.
    pub(crate) fn start_append(&self, state: &mut State, actor: Actor, choice: u8) -> bool {
        let mut append = Append {
            stage: AppendStage::Claim,
            seen: state.claims,
            order: if choice == 0 { Order::AsClaimed } else { Order::Other },
            part: if self.rules.first_leaf_first { Part::First } else { Part::Second },
            try_number: 0,
            erased: Rows::NONE,
            changed: false,
        };
        if actor == Actor::Mender {
            append.part = Part::First;
            append.stage = match append.seen {
                Claims::None => return false,
                Claims::First(_) => AppendStage::GiveUp,
                Claims::Second(_) => AppendStage::NextClaim,
            };
        }
        state.goes_on(actor, Process::Append(append));
        true
    }

    /// The unnamed batch: one leaf, one attempt, no claim.
    pub(crate) fn append_late(state: &mut State, choice: u8) -> bool {
        *state.leaf_mut(Part::Late.id(0)) = Self::published_leaf(Part::Late);
        if choice == 0 {
            state.acknowledge(Part::Late);
        }
        true
    }

    /// The next step of a writer. False: it cannot be taken in this way.
    pub(crate) fn step_append(
        &self,
        state: &mut State,
        actor: Actor,
        append: Append,
        choice: u8,
    ) -> bool {
        match append.stage {
            AppendStage::Claim => self.claim(state, actor, append),
            AppendStage::Publish if choice == LOOK => return self.find(state, actor, append),
            AppendStage::Publish => self.publish(state, actor, append, choice),
            AppendStage::VoidMet => self.meet_void(state, actor, append),
            AppendStage::GiveUp => self.give_up(state, actor, append, choice),
            AppendStage::LookAfterGivingUp => self.look_after_giving_up(state, actor, append),
            AppendStage::NextClaim => {
                // Another mender with these rows may have created it.
                state.claims = Claims::Second(state.claims.order());
                let next =
                    Append { part: Part::Mended, try_number: 0, erased: Rows::NONE, ..append };
                state.goes_on(actor, next.at(AppendStage::Publish));
            }
        }
        true
    }

    /// Creates claim 0 if the listing has shown none, or reads it.
    fn claim(&self, state: &mut State, actor: Actor, append: Append) {
        if matches!(append.seen, Claims::Second(_)) {
            return; // The batch is claimed with other rows: refused.
        }
        if state.claims == Claims::None {
            state.claims = Claims::First(append.order);
        }
        if !self.rules.claim_lists_leaves || state.claims.order() == append.order {
            state.goes_on(actor, append.at(AppendStage::Publish));
        } else if self.is_published(state) {
            state.acknowledge(Part::First);
        }
        // Else refused: other leaves than the claim's, and not all of those are there.
    }

    /// Whether every leaf of claim 0 is there or absorbed.
    fn is_published(&self, state: &State) -> bool {
        [Part::First, Part::Second].into_iter().all(|part| {
            let Some(view) = self.look(state, self.day_of(part)) else { return false };
            (0..part.tries())
                .map(|try_number| part.id(try_number))
                .any(|id| matches!(state.leaf(id), Leaf::Rows(_)) || view.absorbed_rows().has(id))
        })
    }

    /// Looks at the newest manifest before creating the leaf. Decides only what is absorbed.
    fn find(&self, state: &mut State, actor: Actor, append: Append) -> bool {
        let id = append.part.id(append.try_number);
        let Some(view) = self.look(state, self.day_of(append.part)) else { return false };
        if !view.absorbed().has(id) {
            return false;
        }
        if view.absorbed_rows().has(id) {
            self.settle(state, actor, append);
        } else {
            state.goes_on(actor, append.at(AppendStage::VoidMet));
        }
        true
    }

    fn publish(&self, state: &mut State, actor: Actor, mut append: Append, choice: u8) {
        let id = append.part.id(append.try_number);
        let mine = append.part.rows(append.order).without(append.erased);
        match state.leaf(id) {
            Leaf::Absent => {
                *state.leaf_mut(id) = Leaf::Rows(mine);
                append.changed = true;
                if choice == ANSWER_LOST {
                    state.goes_on(actor, append.at(AppendStage::Publish));
                } else {
                    self.settle(state, actor, append);
                }
            }
            Leaf::Rows(there) if there == mine => self.settle(state, actor, append),
            Leaf::Rows(_) => Self::refuse(state, append),
            Leaf::Void(_) | Leaf::GivenUp => {
                state.goes_on(actor, append.at(AppendStage::VoidMet));
            }
        }
    }

    /// A conflict: other rows lie at the leaf's name.
    fn refuse(state: &mut State, append: Append) {
        state.violate(if append.changed {
            Violation::RefusedAfterChange
        } else {
            Violation::SameBatchRefused
        });
    }

    /// A void lies at the leaf's name: looks whether the leaf was published before it.
    fn meet_void(&self, state: &mut State, actor: Actor, append: Append) {
        let id = append.part.id(append.try_number);
        let Some(view) = self.look(state, self.day_of(append.part)) else { return };
        if self.rules.look_after_void && view.absorbed_rows().has(id) {
            self.settle(state, actor, append);
            return;
        }
        let erased = match state.leaf(id) {
            Leaf::GivenUp if self.rules.stop_at_given_up => return,
            Leaf::Void(rows) => append.erased.with(rows),
            _ => append.erased,
        };
        if let Some(next) = (Append { erased, ..append }).next_try() {
            state.goes_on(actor, next.at(AppendStage::Publish));
        }
    }

    /// The leaf is there or absorbed: the next one, or the batch is acknowledged.
    fn settle(&self, state: &mut State, actor: Actor, append: Append) {
        let next = match append.part {
            Part::First if self.rules.first_leaf_first => Some(Part::Second),
            Part::Second if !self.rules.first_leaf_first => Some(Part::First),
            _ => None,
        };
        if let Some(part) = next {
            let next = Append { part, try_number: 0, erased: Rows::NONE, ..append };
            state.goes_on(actor, next.at(AppendStage::Publish));
        } else {
            state.acknowledge(append.part);
        }
    }

    /// Creates a void at the name of leaf 0, under the first try that no erasure has voided.
    fn give_up(&self, state: &mut State, actor: Actor, append: Append, choice: u8) {
        let id = Part::First.id(append.try_number);
        match state.leaf(id) {
            Leaf::Absent => {
                *state.leaf_mut(id) = Leaf::GivenUp;
                let answered = choice != ANSWER_LOST;
                state.goes_on(
                    actor,
                    append.at(if answered {
                        AppendStage::LookAfterGivingUp
                    } else {
                        AppendStage::GiveUp
                    }),
                );
            }
            Leaf::GivenUp => state.goes_on(actor, append.at(AppendStage::LookAfterGivingUp)),
            Leaf::Void(_) if !self.rules.give_up_follows_tries => {
                state.goes_on(actor, append.at(AppendStage::LookAfterGivingUp));
            }
            Leaf::Void(_) => {
                if let Some(next) = append.next_try() {
                    state.goes_on(actor, next.at(AppendStage::GiveUp));
                }
            }
            Leaf::Rows(_) => {} // The batch stands: refused.
        }
    }

    /// Looks whether leaf 0 had been published, absorbed and deleted before its name was voided.
    fn look_after_giving_up(&self, state: &mut State, actor: Actor, append: Append) {
        if self.rules.look_after_giving_up {
            let view = self.view(state, 0);
            if self.rules.give_up_needs_whole_day && self.look(state, 0).is_none() {
                return; // Nothing can be concluded from a damaged day.
            }
            if !view.absorbed_rows().common(Part::First.ids()).is_empty() {
                return; // The batch stands: refused.
            }
        }
        state.history.given_up = true;
        state.goes_on(actor, append.at(AppendStage::NextClaim));
    }
}
