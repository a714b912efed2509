//! Rollup: hints of a day from its rows, and of the month from the hints of its days.

use crate::actor::Actor;
use crate::day::DAYS;
use crate::hint::{Fingerprint, Hint, MonthHint, create_if_absent};
use crate::process::Process;
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::State;
use std::sync::Arc;

impl Scenario {
    /// Takes the snapshot of a day, or of the month (the choice after the days).
    pub(crate) fn start_rollup(&self, state: &mut State, choice: u8) -> bool {
        if usize::from(choice) >= self.days() {
            return self.start_month(state);
        }
        let view = self.view(state, usize::from(choice));
        let Ok(rows) = view.rows else { return false };
        let readable = view.manifest.as_ref().is_none_or(|manifest| {
            !manifest.purged || manifest.remains >> state.definitions & 1 == 1
        });
        if view.fingerprint.is_empty() || !readable {
            return false;
        }
        let fingerprint = view.fingerprint;
        let hint = Hint { day: choice, definition: state.definitions, fingerprint, rows };
        if state.hints.contains(&hint) {
            return false;
        }
        state.goes_on(Actor::Rollup, Process::Rollup(Arc::new(hint)));
        true
    }

    /// Needs a current hint of each day that has anything.
    fn start_month(&self, state: &mut State) -> bool {
        let mut month = MonthHint {
            definition: state.definitions,
            fingerprints: [Fingerprint::default(); DAYS],
            rows: Rows::NONE,
        };
        for day in 0..DAYS {
            let view = self.view(state, day);
            if view.rows.is_err() {
                return false;
            }
            month.fingerprints[day] = view.fingerprint;
            if view.fingerprint.is_empty() {
                continue;
            }
            let current = state.hints.iter().find(|hint| {
                usize::from(hint.day) == day
                    && hint.definition == state.definitions
                    && hint.fingerprint == view.fingerprint
            });
            let Some(hint) = current else { return false };
            month.rows = month.rows.plus(hint.rows);
        }
        if state.months.contains(&month) {
            return false;
        }
        state.goes_on(Actor::Rollup, Process::RollupMonth(Arc::new(month)));
        true
    }

    /// Creates the hint of a day. Its name is taken: by an equal one.
    pub(crate) fn create_hint(state: &mut State, hint: Hint) {
        create_if_absent(Arc::make_mut(&mut state.hints), hint);
    }

    /// Creates the hint of the month. Its name is taken: by an equal one.
    pub(crate) fn create_month_hint(state: &mut State, hint: MonthHint) {
        create_if_absent(Arc::make_mut(&mut state.months), hint);
    }
}
