//! The files of a root that a snapshot is made of.

use object_store::ObjectMeta;

use crate::{
    base::Day,
    model::{Fingerprint, LeafId},
};

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
