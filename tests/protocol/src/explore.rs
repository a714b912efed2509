//! Runs `stateright` over a scenario, and says what it has found.

use crate::invariants::Violation;
use crate::machine::{SAFE, describe};
use crate::scenario::Scenario;
use crate::state::State;
use stateright::{Checker, Model};
use std::fmt;
use std::time::{Duration, Instant};

/// What an exploration has found.
#[derive(Debug)]
pub struct Report {
    /// The scenario.
    pub name: &'static str,
    /// Distinct states.
    pub distinct: usize,
    /// Generated states: distinct ones and those met again.
    pub generated: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether every state of the scenario was explored.
    pub complete: bool,
    /// A way to violate an invariant.
    pub found: Option<Counterexample>,
}

/// A way to violate an invariant.
#[derive(Debug)]
pub struct Counterexample {
    /// The invariant.
    pub violation: Violation,
    /// The steps that lead there.
    pub steps: Vec<String>,
}

/// Explores a scenario breadth first, until it is complete, an invariant is violated, or
/// `generated_max` states were generated. With one thread a counterexample is a shortest one.
#[must_use]
pub fn explore(scenario: Scenario, generated_max: usize, threads: usize) -> Report {
    let start = Instant::now();
    let name = scenario.name;
    let checker =
        scenario.checker().threads(threads).target_state_count(generated_max).spawn_bfs().join();
    let found = checker.discovery(SAFE).and_then(|path| {
        let scenario = checker.model();
        let violation = scenario.violation(path.last_state())?;
        let steps: Vec<(State, _)> = path.into_vec();
        let steps = steps.iter().filter_map(|(state, action)| Some(describe(state, (*action)?)));
        Some(Counterexample { violation, steps: steps.collect() })
    });
    let generated = checker.state_count();
    Report {
        name,
        distinct: checker.unique_state_count(),
        generated,
        took: start.elapsed(),
        complete: found.is_none() && generated < generated_max,
        found,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(f, "{:64} {:>9} states {seconds:>6.1} s  ", self.name, self.distinct)?;
        match &self.found {
            None if self.complete => write!(f, "all states, safe"),
            None => write!(f, "safe so far"),
            Some(found) => write!(f, "{} steps: {}", found.steps.len(), found.violation),
        }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {:>2}. {step}", at + 1)?;
        }
        write!(f, "  {}", self.violation)
    }
}
