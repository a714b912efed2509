//! The files of a root that a snapshot is made of.

use std::sync::Arc;

use object_store::ObjectMeta;

use super::FileName;
use crate::{
    base::Day,
    model::{Fingerprint, LeafId},
};

/// A listed file of a day: its name and what the store says of it.
pub(super) type FileInfo = (FileName, ObjectMeta);

/// What the files in a day's folder are.
pub(super) trait DayFolder: Send + Sync + 'static {
    /// Those files of that day.
    fn of(day: Day, files: Vec<FileInfo>) -> Self;
}

/// A raw file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its id.
    pub id: LeafId,
    /// The UTC date of all its rows.
    pub day: Day,
    /// Path, size and version.
    pub file: ObjectMeta,
}

/// A rollup's file for one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its day.
    pub day: Day,
    /// The fingerprint of the leaves it was built from.
    pub fingerprint: Fingerprint,
    /// Path, size and version.
    pub file: ObjectMeta,
}

/// A day's raw files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeafDay {
    /// The day.
    pub day: Day,
    /// Its leaves, by id.
    pub leaves: Vec<Arc<Leaf>>,
    /// Their fingerprint.
    pub fingerprint: Fingerprint,
}

impl LeafDay {
    /// The day of those leaves.
    #[must_use]
    pub(crate) fn new(day: Day, mut leaves: Vec<Arc<Leaf>>) -> Self {
        leaves.sort_by(|a, b| a.id.cmp(&b.id));
        let fingerprint = Fingerprint::of(leaves.iter().map(|leaf| &leaf.id));
        Self { day, leaves, fingerprint }
    }
}

impl DayFolder for LeafDay {
    fn of(day: Day, files: Vec<FileInfo>) -> Self {
        let leaves = files.into_iter().map(|(name, file)| {
            let id = LeafId::parse(&name.stem).unwrap_or_else(|| foreign_id(&file));
            Arc::new(Leaf { id, day, file })
        });
        Self::new(day, leaves.collect())
    }
}

fn foreign_id(file: &ObjectMeta) -> LeafId {
    let version = match (&file.e_tag, &file.version) {
        (Some(tag), _) => tag.clone(),
        (None, Some(version)) => version.clone(),
        (None, None) => file.last_modified.to_rfc3339(),
    };
    LeafId::of_foreign(file.location.as_ref(), file.size, &version)
}

/// A rollup's files of one day, by name.
#[derive(Debug)]
pub(crate) struct SegmentDay {
    /// The day.
    pub day: Day,
    /// The segments.
    pub segments: Vec<Arc<SegmentFile>>,
}

impl DayFolder for SegmentDay {
    fn of(day: Day, files: Vec<FileInfo>) -> Self {
        let segments = files.into_iter().filter_map(|(name, file)| {
            let fingerprint = Fingerprint::parse(&name.stem)?;
            Some(Arc::new(SegmentFile { day, fingerprint, file }))
        });
        Self { day, segments: segments.collect() }
    }
}
