//! Random walks through scenarios that are too large to be explored: each walk goes on until
//! nothing can happen any more, which is deeper than a breadth-first exploration gets.

use crate::explore::Counterexample;
use crate::machine::{Action, describe};
use crate::scenario::Scenario;
use crate::state::State;
use stateright::Model;

/// One in so many deaths that could happen does happen.
const DEATHS_RARE: u64 = 16;

/// Numbers that look random: `SplitMix64`.
#[derive(Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// The same seed gives the same numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or(0)
    }
}

/// Walks once. Returns how many steps were taken, and how an invariant came to be violated.
#[must_use]
pub fn walk(scenario: &Scenario, numbers: &mut Numbers) -> (usize, Option<Counterexample>) {
    let mut state = State::initial(scenario);
    let mut taken: Vec<(State, Action)> = Vec::new();
    loop {
        if let Some(violation) = scenario.violation(&state) {
            let steps = taken.iter().map(|(state, action)| describe(state, *action)).collect();
            return (taken.len(), Some(Counterexample { violation, steps }));
        }
        let Some((action, next)) = step(scenario, &state, numbers) else {
            return (taken.len(), None);
        };
        taken.push((std::mem::replace(&mut state, next), action));
    }
}

/// A random step that can be taken.
fn step(scenario: &Scenario, state: &State, numbers: &mut Numbers) -> Option<(Action, State)> {
    let mut actions = Vec::new();
    scenario.actions(state, &mut actions);
    while !actions.is_empty() {
        let action = actions.swap_remove(numbers.below(actions.len()));
        let skipped =
            matches!(action, Action::Die(_)) && !numbers.next().is_multiple_of(DEATHS_RARE);
        if skipped {
            continue;
        }
        if let Some(next) = scenario.next_state(state, action) {
            return Some((action, next));
        }
    }
    None
}
