//! The processes that may run.

use std::fmt;

/// How many processes the model knows.
pub const ACTORS: usize = 15;

/// A process. Each runs one thing at a time; a scenario says how often it may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Actor {
    /// Appends the named batch.
    Writer,
    /// Appends the same batch again, from another host.
    Retry,
    /// Appends the same batch with mended rows: gives up claim 0, then claims again.
    Mender,
    /// Appends an unnamed batch of one leaf.
    Late,
    /// Builds the hints of a day, or of the month.
    Rollup,
    /// Compacts a day.
    Compact,
    /// Purges a day.
    Purge,
    /// Erases rows.
    Erase,
    /// Erases other rows.
    SecondErase,
    /// Collects garbage of a day, with grace 0.
    Gc,
    /// A second gc.
    SecondGc,
    /// Reads a day.
    Query,
    /// Replaces the definition (`init --replace`).
    Define,
    /// Replaces the definition, from another host.
    SecondDefine,
    /// Rebuilds a lost manifest.
    Repair,
}

impl Actor {
    /// Every process, in the order of their indexes.
    pub const EACH: [Self; ACTORS] = [
        Self::Writer,
        Self::Retry,
        Self::Mender,
        Self::Late,
        Self::Rollup,
        Self::Compact,
        Self::Purge,
        Self::Erase,
        Self::SecondErase,
        Self::Gc,
        Self::SecondGc,
        Self::Query,
        Self::Define,
        Self::SecondDefine,
        Self::Repair,
    ];

    /// The place of the process in arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The transition with which a run starts.
    #[must_use]
    pub const fn first_transition(self) -> &'static str {
        match self {
            Self::Writer | Self::Retry | Self::Mender => "append.claim",
            Self::Late => "append.leaf",
            Self::Rollup => "rollup.snapshot",
            Self::Compact | Self::Purge => "rewrite.snapshot",
            Self::Erase | Self::SecondErase => "erase.fence",
            Self::Gc | Self::SecondGc => "gc.list_data",
            Self::Query => "query.list_data",
            Self::Define | Self::SecondDefine => "init.definition",
            Self::Repair => "repair.manifest",
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Writer => "writer",
            Self::Retry => "retry",
            Self::Mender => "mender",
            Self::Late => "late writer",
            Self::Rollup => "rollup",
            Self::Compact => "compact",
            Self::Purge => "purge",
            Self::Erase => "erase",
            Self::SecondErase => "second erase",
            Self::Gc => "gc",
            Self::SecondGc => "second gc",
            Self::Query => "query",
            Self::Define => "init --replace",
            Self::SecondDefine => "second init --replace",
            Self::Repair => "repair",
        })
    }
}
