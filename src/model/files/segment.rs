//! A rollup's file for one day or month.

use std::sync::Arc;

use object_store::ObjectMeta;

use super::{Fingerprint, Period};

/// A rollup's file for one day, or for one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// The day or month of all its rows.
    pub period: Period,
    /// The fingerprint of the leaves it was built from; of a month, of its days' fingerprints.
    pub fingerprint: Fingerprint,
    /// Path, size and version.
    pub file: ObjectMeta,
}

impl SegmentFile {
    /// Whether it can be made anew at any time. What remains of a purged day can't.
    pub(crate) fn is_hint(&self) -> bool {
        self.file.location.as_ref().starts_with("rollups/")
    }
}

/// A rollup's files of one day or month, by name.
#[derive(Debug)]
pub(crate) struct PeriodSegments {
    /// The day or month.
    pub period: Period,
    /// The segments.
    pub segments: Vec<Arc<SegmentFile>>,
}
