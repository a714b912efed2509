//! A raw file of a root.

use object_store::ObjectMeta;

use super::LeafId;
use crate::base::Day;

/// A raw file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its id.
    pub id: LeafId,
    /// The UTC date of all its rows.
    pub day: Day,
    /// What it is.
    pub kind: LeafKind,
    /// Path, size and version.
    pub file: ObjectMeta,
}

/// What a raw file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// What `append` made of a batch.
    Appended,
    /// What another tool put there.
    Foreign,
    /// What compaction or erasure made of the day's leaves.
    Compacted,
    /// Stands for rows that were purged, and can't be read: its file is the manifest that says so.
    Purged,
}

impl Leaf {
    /// Whether it is a leaf by itself, which no manifest accounts for.
    #[must_use]
    pub(crate) const fn is_loose(&self) -> bool {
        matches!(self.kind, LeafKind::Appended | LeafKind::Foreign)
    }

    /// Whether its name isn't one that leaves have since format 2.
    #[must_use]
    pub(crate) fn is_of_format_1(&self) -> bool {
        self.file.location.filename().is_none_or(|name| !name.starts_with("L2-"))
    }

    /// Whether its rows are gone.
    #[must_use]
    pub(crate) const fn is_purged(&self) -> bool {
        matches!(self.kind, LeafKind::Purged)
    }
}
