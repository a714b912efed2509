//! A raw file of a root.

use std::{collections::BTreeMap, sync::Arc};

use object_store::ObjectMeta;

use super::{LeafId, SegmentFile};
use crate::base::Day;

/// A raw file. All its rows are of one UTC date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The leaf's id.
    pub id: LeafId,
    /// The UTC date of all its rows.
    pub day: Day,
    /// The origin of the file.
    pub kind: LeafKind,
    /// Path, size and version.
    pub file: ObjectMeta,
    /// Only of late leaves on a purged day: what remains of the day, by the hash of the rollup's
    /// definition.
    pub remains: Option<Arc<BTreeMap<String, Arc<SegmentFile>>>>,
}

/// The origin of a raw file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafKind {
    /// `append` wrote it from a batch.
    Appended,
    /// Another tool wrote it.
    Foreign,
    /// Compaction or erasure wrote it from the day's leaves.
    Compacted,
    /// An entry for purged rows. It can't be read: its file is the manifest that says so.
    Purged,
}

impl Leaf {
    /// Whether the file is a leaf that no manifest accounts for.
    #[must_use]
    pub(crate) const fn is_loose(&self) -> bool {
        matches!(self.kind, LeafKind::Appended | LeafKind::Foreign)
    }

    /// Whether the file's name lacks the prefix that leaves of `append` have since format 2. Only
    /// useful for files that can be such leaves: compacted files lack the prefix, too.
    #[must_use]
    pub(crate) fn is_of_format_1(&self) -> bool {
        self.file.location.filename().is_none_or(|name| !name.starts_with("L2-"))
    }

    /// Whether its rows were purged.
    #[must_use]
    pub(crate) const fn is_purged(&self) -> bool {
        matches!(self.kind, LeafKind::Purged)
    }
}
