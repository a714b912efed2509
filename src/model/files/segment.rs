//! The file of a rollup for one day or month.

use std::sync::Arc;

use object_store::ObjectMeta;

use super::{Fingerprint, Period};

/// The file of a rollup for one day or one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// The day or month of all its rows.
    pub period: Period,
    /// The fingerprint of the leaves that the segment was built from. The fingerprint of a month
    /// is made from its days' fingerprints.
    pub fingerprint: Fingerprint,
    /// Path, size and version.
    pub file: ObjectMeta,
}

impl SegmentFile {
    /// Whether the file is below `rollups/`. Such files are hints and can be rebuilt at any time,
    /// except for the remains of a day that was purged in format 1. Other remains are not below
    /// `rollups/`.
    pub(crate) fn is_hint(&self) -> bool {
        self.file.location.as_ref().starts_with("rollups/")
    }
}

/// The files of a rollup for one day or month, in the order of their names.
#[derive(Debug)]
pub(crate) struct PeriodSegments {
    /// The day or month.
    pub period: Period,
    /// The segments.
    pub segments: Vec<Arc<SegmentFile>>,
}
