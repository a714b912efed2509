//! The scenario as a model that `stateright` explores.

use crate::actor::Actor;
use crate::outside::Event;
use crate::process::{ANSWER_LOST, BAD_WRITE, LOOK, Process, REQUEST_LOST};
use crate::scenario::Scenario;
use crate::state::State;
use stateright::{Model, Property};

/// The name of the one property: no invariant is violated.
pub const SAFE: &str = "safe";

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process starts, in one of several ways.
    Start(Actor, u8),
    /// A process takes its next step, in one of several ways.
    Step(Actor, u8),
    /// A process dies.
    Die(Actor),
    /// Something happens from outside.
    Outside(Event),
}

impl Model for Scenario {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::initial(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for actor in Actor::EACH {
            let process = &state.processes[actor.index()];
            if *process != Process::Off {
                let choices = process.choices(self).iter();
                actions.extend(choices.map(|choice| Action::Step(actor, *choice)));
                if self.deaths {
                    actions.push(Action::Die(actor));
                }
            } else if state.runs[actor.index()] > 0 {
                actions.extend((0..self.starts(actor)).map(|choice| Action::Start(actor, choice)));
            }
        }
        let mut events = Vec::new();
        self.events(state, &mut events);
        actions.extend(events.into_iter().map(Action::Outside));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let (transition, taken) = match action {
            Action::Start(actor, choice) => {
                state.runs[actor.index()] -= 1;
                (actor.first_transition(), self.start(&mut state, actor, choice))
            }
            Action::Step(actor, choice) => {
                let transition = state.processes[actor.index()].transition();
                (transition, self.step(&mut state, actor, choice))
            }
            Action::Die(actor) => {
                state.goes_on(actor, Process::Off);
                return Some(state);
            }
            Action::Outside(event) => {
                self.happen(&mut state, event);
                return Some(state);
            }
        };
        if !taken {
            return None;
        }
        self.taken.record(transition);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(SAFE, |scenario: &Self, state: &State| {
            scenario.violation(state).is_none()
        })]
    }
}

/// An action as a counterexample shows it.
#[must_use]
pub fn describe(before: &State, action: Action) -> String {
    match action {
        Action::Start(actor, choice) => {
            format!("{actor} starts with {}{}", actor.first_transition(), start_note(actor, choice))
        }
        Action::Step(actor, choice) => {
            let process = &before.processes[actor.index()];
            let note = match choice {
                _ if matches!(process, Process::Gc(_)) => "",
                LOOK => " (looks first)",
                ANSWER_LOST => " (its answer is lost)",
                REQUEST_LOST => " (its request is lost)",
                BAD_WRITE => " (the write is bad)",
                _ => "",
            };
            format!("{actor} {}{note}", process.transition())
        }
        Action::Die(actor) => format!("{actor} DIES"),
        Action::Outside(event) => event.to_string(),
    }
}

const fn start_note(actor: Actor, choice: u8) -> &'static str {
    match (actor, choice) {
        (_, 0) => "",
        (Actor::Retry, _) => " (other order)",
        (Actor::Late, _) => " (its answer is lost)",
        (Actor::Rollup, 2) => " (of the month)",
        (_, _) => " (second day)",
    }
}
