//! Hints: what `rollup` builds, and by what it is current.

use crate::leaf::Ids;
use crate::rows::Rows;

/// What a day's rows are made of: absorbed ids, loose ids, marks of erasures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint {
    /// Absorbed or loose.
    pub ids: Ids,
    /// A bit for each generation that an erasure committed.
    pub marks: u8,
}

impl Fingerprint {
    /// Whether the day has never had anything.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.ids.is_empty() && self.marks == 0
    }
}

/// A rollup's segment of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hint {
    /// The day.
    pub day: u8,
    /// The number of its definition.
    pub definition: u8,
    /// Of the day whose rows it counts.
    pub fingerprint: Fingerprint,
    /// The rows that it counts.
    pub rows: Rows,
}

/// A rollup's segment of both days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonthHint {
    /// The number of its definition.
    pub definition: u8,
    /// Of the days.
    pub fingerprints: [Fingerprint; 2],
    /// The rows that it counts.
    pub rows: Rows,
}

/// Adds a hint, if absent, and keeps the order.
pub fn create_if_absent<T: Ord>(hints: &mut Vec<T>, hint: T) {
    if let Err(place) = hints.binary_search(&hint) {
        hints.insert(place, hint);
    }
}
