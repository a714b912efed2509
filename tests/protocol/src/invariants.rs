//! The invariants, judged in every state.

use crate::hint::{Hint, MonthHint};
use crate::leaf::{Order, Part};
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Foreign, State};
use crate::view::{Damage, View};
use std::fmt;

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// An acknowledged row, not erased, does not count.
    RowLost,
    /// A row counts more than once.
    RowDoubled,
    /// A row counts again after an erasure that covers it has returned.
    ErasedRowBack,
    /// A purged day does not answer.
    PurgedDayMute,
    /// A file that a manifest names is gone.
    NamedFileGone,
    /// A file that a manifest names is damaged, and was never whole.
    NamedFileDamaged,
    /// A day is called damaged, and nothing is missing.
    WholeDayDamaged,
    /// A current hint of a day differs from the day's rows.
    HintDiffers,
    /// A current hint of the month differs from the rows of its days.
    MonthHintDiffers,
    /// No physical copy is left of an acknowledged row that was not erased.
    LastCopyGone,
    /// A query has missed an acknowledged row.
    QueryMisses,
    /// A query has counted a row twice.
    QueryDoubles,
    /// gc has deleted a foreign file.
    ForeignFileDeleted,
    /// The same rows in the same order were refused.
    SameBatchRefused,
    /// A retry was refused after it had changed something.
    RefusedAfterChange,
    /// Rows of a claim that was given up count, or were acknowledged.
    GivenUpVisible,
    /// A purge has not computed remains for a definition that it could have read.
    DefinitionMissed,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RowLost => "an acknowledged row is lost",
            Self::RowDoubled => "a row counts twice",
            Self::ErasedRowBack => "an erased row is back",
            Self::PurgedDayMute => "a purged day does not answer",
            Self::NamedFileGone => "a file that the manifest names is gone",
            Self::NamedFileDamaged => "a file that the manifest names is damaged",
            Self::WholeDayDamaged => "a whole day is called damaged",
            Self::HintDiffers => "a current hint differs from the rows",
            Self::MonthHintDiffers => "a current month hint differs from the rows",
            Self::LastCopyGone => "the last copy of an acknowledged row is gone",
            Self::QueryMisses => "a query misses an acknowledged row",
            Self::QueryDoubles => "a query counts a row twice",
            Self::ForeignFileDeleted => "gc deletes a foreign file",
            Self::SameBatchRefused => "the same batch again is refused",
            Self::RefusedAfterChange => "a refused retry has changed something",
            Self::GivenUpVisible => "a batch whose claim was given up becomes visible",
            Self::DefinitionMissed => "a purge misses the newest definition",
        })
    }
}

impl Scenario {
    /// The first invariant that a state violates.
    #[must_use]
    pub fn violation(&self, state: &State) -> Option<Violation> {
        if state.history.violation.is_some() {
            return state.history.violation;
        }
        let views: Vec<View> = (0..self.days()).map(|day| self.view(state, day)).collect();
        (0..)
            .zip(&views)
            .find_map(|(day, view)| self.judge_day(state, day, view))
            .or_else(|| self.judge_months(state, &views))
            .or_else(|| self.judge_copies(state))
    }

    fn judge_day(&self, state: &State, day: usize, view: &View) -> Option<Violation> {
        let history = &state.history;
        let rows = match view.rows {
            Ok(rows) => rows,
            Err(Damage::Unnamed) if history.copied => return None,
            Err(Damage::Unnamed) => return Some(Violation::WholeDayDamaged),
            Err(Damage::FilesDamaged) if history.rotten => return None,
            Err(Damage::FilesDamaged) => return Some(Violation::NamedFileDamaged),
            Err(Damage::FilesGone | Damage::ManifestGone) => return Some(Violation::NamedFileGone),
            Err(Damage::NoRemains) => return Some(Violation::PurgedDayMute),
        };
        let foreign = state.foreign.map_or(Rows::NONE, Foreign::rows);
        let expected = history.acknowledged.with(foreign);
        let given_up = Part::First.rows(Order::AsClaimed).with(Part::Second.rows(Order::AsClaimed));
        if history.given_up && (rows.has_any(given_up) || history.acknowledged.has_any(given_up)) {
            return Some(Violation::GivenUpVisible);
        }
        let differs = |hint: &&Hint| {
            usize::from(hint.day) == day
                && hint.definition == state.definitions
                && hint.fingerprint == view.fingerprint
                && hint.rows != rows
        };
        self.judge(state, day, rows, expected, history.erased)
            .or_else(|| state.hints.iter().find(differs).map(|_| Violation::HintDiffers))
    }

    /// Judges the rows that a day is said to have.
    pub(crate) fn judge(
        &self,
        state: &State,
        day: usize,
        rows: Rows,
        expected: Rows,
        erased: Rows,
    ) -> Option<Violation> {
        let history = &state.history;
        let missing_allowed = history.erasing.with(history.lost);
        for row in Rows::EACH {
            let count = rows.count(row);
            if count > 1 {
                return Some(Violation::RowDoubled);
            }
            if count > 0 && erased.has_any(row) {
                return Some(Violation::ErasedRowBack);
            }
            let must = expected.has_any(row) && self.rows_of_day(day).has_any(row);
            if count == 0 && must && !missing_allowed.has_any(row) {
                return Some(Violation::RowLost);
            }
        }
        None
    }

    fn judge_months(&self, state: &State, views: &[View]) -> Option<Violation> {
        let [first, second] = views else { return None };
        let (Ok(first_rows), Ok(second_rows)) = (first.rows, second.rows) else { return None };
        let rows = first_rows.plus(second_rows);
        let fingerprints = [first.fingerprint, second.fingerprint];
        let differs = |month: &&MonthHint| {
            month.definition == state.definitions
                && (month.fingerprints == fingerprints || !self.rules.month_fingerprint)
                && month.rows != rows
        };
        state.months.iter().find(differs).map(|_| Violation::MonthHintDiffers)
    }

    /// A physical copy of every acknowledged row that was not erased.
    fn judge_copies(&self, state: &State) -> Option<Violation> {
        let history = &state.history;
        let mut copies = state.foreign.map_or(Rows::NONE, Foreign::rows);
        for leaf in &state.leaves {
            copies = copies.with(leaf.rows());
        }
        let whole = state
            .days
            .iter()
            .flat_map(|day| &day.files)
            .filter(|files| files.intact && files.parts == self.parts);
        for files in whole {
            copies = copies.with(files.rows);
        }
        let needed = history.acknowledged.without(history.erasing).without(history.lost);
        needed.has_more_than(copies).then_some(Violation::LastCopyGone)
    }
}
