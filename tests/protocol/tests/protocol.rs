//! The protocol is explored with all its rules, and with each rule turned off.
//!
//! `cargo test -p tallybook-protocol -- --nocapture` shows what each exploration has found.

use std::sync::Arc;
use std::thread::available_parallelism;
use tallybook_protocol::TRANSITIONS;
use tallybook_protocol::bugs::planted_bugs;
use tallybook_protocol::explore::explore;
use tallybook_protocol::scenarios::{everything, scenarios};
use tallybook_protocol::transitions::Taken;
use tallybook_protocol::walk::{Numbers, walk};

/// How many distinct states are explored in all scenarios together.
const STATES: usize = 1_000_000;

/// Upper bound of generated states for each distinct one, in the scenarios.
const GENERATED_PER_DISTINCT: usize = 4;

/// The random walks take about this many steps each.
const STEPS_PER_WALK: usize = 200;

/// The random walks are the same in each run.
const SEED: u64 = 1;

/// Upper bound of generated states in which a planted bug must be found.
const GENERATED_PER_BUG: usize = 3_000_000;

#[expect(clippy::disallowed_methods, clippy::expect_used, reason = "a test chooses its size")]
fn states_asked_for() -> usize {
    let asked = std::env::var("TALLYBOOK_PROTOCOL_STATES").ok();
    asked.map_or(STATES, |number| number.replace('_', "").parse().expect("a number of states"))
}

#[test]
fn the_protocol_is_safe() {
    let asked = states_asked_for();
    let threads = available_parallelism().map_or(1, usize::from);
    let taken = Arc::new(Taken::default());
    let mut scenarios = scenarios();
    scenarios.extend(everything());
    let mut left = scenarios.len();
    let (mut distinct, mut seconds) = (0, 0.0);
    for scenario in scenarios {
        // What a scenario does not need is left to those after it.
        let share = asked.saturating_sub(distinct) / left + 1;
        let scenario = scenario.set(|it| it.taken = Arc::clone(&taken));
        let report = explore(scenario, share * GENERATED_PER_DISTINCT, threads);
        println!("{report}");
        if let Some(counterexample) = report.found {
            panic!("{}\n{counterexample}", report.name);
        }
        distinct += report.distinct;
        seconds += report.took.as_secs_f64();
        left -= 1;
    }
    println!("{distinct} distinct states, {seconds:.1} s");
    assert!(distinct >= asked.min(STATES), "{distinct} distinct states");
    assert!(taken.missing().is_empty(), "never taken: {:?}", taken.missing());
}

#[test]
fn random_walks_are_safe() {
    for scenario in everything() {
        let mut numbers = Numbers::new(SEED);
        let mut steps = 0;
        for number in 0..states_asked_for() / STEPS_PER_WALK {
            let (taken, found) = walk(&scenario, &mut numbers);
            steps += taken;
            if let Some(counterexample) = found {
                panic!("{}, walk {number}\n{counterexample}", scenario.name);
            }
        }
        println!("{}: {steps} steps, safe", scenario.name);
    }
}

#[test]
fn every_planted_bug_is_found() {
    for bug in planted_bugs() {
        let kept = explore(bug.scenario.clone(), GENERATED_PER_BUG, 1);
        assert!(kept.complete, "with all rules kept: {kept}\n{:?}", kept.found);
        let planted = explore(bug.planted(), GENERATED_PER_BUG, 1);
        println!("{planted}");
        let counterexample = planted.found.unwrap_or_else(|| panic!("not found: {}", planted.name));
        println!("{counterexample}");
    }
}

#[test]
fn transitions_have_one_name_each() {
    let mut names = TRANSITIONS.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TRANSITIONS.len());
}
