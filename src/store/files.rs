//! The files of a root that a snapshot is made of.

use std::{collections::BTreeMap, sync::Arc};

use object_store::{ObjectMeta, path::Path};

use super::layout::{Period, file_name, first_day_and_name, segment_fingerprint};
use crate::{
    base::{Day, Error, ErrorKind},
    model::{Fingerprint, LeafId, Manifest, Rollup},
};

/// The files of a day's folder, as they are listed.
pub(super) trait DayFolder: Send + Sync + Sized + 'static {
    /// What a file's name says.
    type Name: Send;

    /// The folder inside, if any, whose files count too.
    const INNER: Option<&'static str> = None;

    /// Reads a name; `None` for a file that is no data.
    fn parse(name: &str) -> Option<Self::Name>;

    /// Whether files of that name never change.
    fn is_ours(name: &Self::Name) -> bool;

    /// The folder of those files, which come by path.
    fn of(day: Day, files: Vec<(Self::Name, ObjectMeta)>) -> Self;

    /// The first day and the name of a file below `prefix`, in a folder of such a period.
    fn parse_path(period: Period, prefix: &Path, path: &Path) -> Option<(Day, Self::Name)> {
        let (day, name) = first_day_and_name(period, prefix, path)?;
        Some((day, Self::parse(name)?))
    }
}

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

/// A rollup's file for one day, or for one month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its day, or the month's first.
    pub day: Day,
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

    /// Whether it is of a day or of a month, as its path says.
    pub(crate) fn period(&self) -> Period {
        let mut folders = self.file.location.parts();
        let of_month = folders.any(|folder| Period::Month.parse(folder.as_ref()).is_some());
        if of_month { Period::Month } else { Period::Day }
    }
}

/// A day's raw rows: where they are, and the leaves that they came as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeafDay {
    /// The day.
    pub day: Day,
    /// What to read, by id: the compacted files of the newest manifest, and the leaves that it
    /// doesn't account for.
    pub leaves: Vec<Arc<Leaf>>,
    /// The fingerprint of all leaves that the rows came as.
    pub fingerprint: Fingerprint,
    /// What the newest manifest says.
    pub base: Option<Base>,
    /// What remains of a purged day, by the hash of the rollup's definition. The fingerprint is
    /// that of the leaves that the manifest accounts for.
    pub remains: BTreeMap<String, Arc<SegmentFile>>,
    /// The files that the manifest names and that aren't there.
    pub lost: Vec<Path>,
    /// Why the day can't be read, if it can't. It has no leaves then.
    pub damage: Option<Damage>,
}

/// Why a day can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// What a caller can do about it.
    pub kind: ErrorKind,
    /// What is wrong, with the file's name.
    pub what: String,
}

impl Damage {
    /// The error of who needs the day.
    #[must_use]
    pub(crate) fn to_error(&self) -> Error {
        Error::new(self.kind, &self.what)
    }
}

/// The part of a day that its newest manifest accounts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// The manifest's generation.
    pub generation: u32,
    /// The fingerprint of the leaves that it accounts for.
    pub fingerprint: Fingerprint,
    /// Whether their rows were purged.
    pub purged: bool,
    /// The manifest's file, if it was listed beside its tag.
    pub listed: Option<ObjectMeta>,
    /// The manifest, where names left something open. With loose leaves beside it, it was read.
    pub manifest: Option<Arc<Manifest>>,
}

impl LeafDay {
    /// The day of those leaves, and no manifest.
    #[must_use]
    pub(crate) fn new(day: Day, leaves: Vec<Arc<Leaf>>) -> Self {
        Self::with_base(day, leaves, None)
    }

    /// The day of those leaves, beside what a manifest accounts for.
    #[must_use]
    pub(super) fn with_base(day: Day, mut leaves: Vec<Arc<Leaf>>, base: Option<Base>) -> Self {
        leaves.sort_by(|a, b| a.id.cmp(&b.id));
        let absorbed = base.as_ref().and_then(|base| base.manifest.as_ref());
        let absorbed = absorbed.map_or(&[][..], |manifest| manifest.ids.as_slice());
        let mut loose =
            leaves.iter().filter(|leaf| leaf.is_loose()).map(|leaf| &leaf.id).peekable();
        let fingerprint = match &base {
            Some(base) if loose.peek().is_none() => base.fingerprint.clone(),
            _ => Fingerprint::of(loose.chain(absorbed)),
        };
        let (remains, lost, damage) = (BTreeMap::new(), Vec::new(), None);
        Self { day, leaves, fingerprint, base, remains, lost, damage }
    }

    /// A day that can't be read.
    #[must_use]
    pub(super) fn damaged(day: Day, kind: ErrorKind, what: String) -> Self {
        Self { damage: Some(Damage { kind, what }), ..Self::new(day, Vec::new()) }
    }

    /// What remains of the day for that rollup.
    #[must_use]
    pub(crate) fn remains_of(&self, rollup: &Rollup) -> Option<&Arc<SegmentFile>> {
        self.remains.get(rollup.definition_hash())
    }

    /// The leaves that no manifest accounts for.
    pub(crate) fn loose(&self) -> impl Iterator<Item = &Arc<Leaf>> {
        self.leaves.iter().filter(|leaf| leaf.is_loose())
    }

    /// Whether rows of the day were purged.
    #[must_use]
    pub(crate) fn is_purged(&self) -> bool {
        self.base.as_ref().is_some_and(|base| base.purged)
    }
}

/// The fingerprint of a month of which these are the days, in order: of those that have rows.
#[must_use]
pub(crate) fn month_fingerprint<'d>(days: impl IntoIterator<Item = &'d LeafDay>) -> Fingerprint {
    let days = days.into_iter().filter(|live| !live.leaves.is_empty());
    Fingerprint::of_days(days.map(|live| (live.day, &live.fingerprint)))
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
        !file_name(&self.file.location).starts_with("L2-")
    }

    /// Whether its rows are gone.
    #[must_use]
    pub(crate) const fn is_purged(&self) -> bool {
        matches!(self.kind, LeafKind::Purged)
    }
}

/// A rollup's files of one day or month, by name.
#[derive(Debug)]
pub(crate) struct SegmentDay {
    /// The day, or the month's first.
    pub day: Day,
    /// The segments.
    pub segments: Vec<Arc<SegmentFile>>,
}

impl DayFolder for SegmentDay {
    type Name = Fingerprint;

    fn parse(name: &str) -> Option<Fingerprint> {
        segment_fingerprint(name)
    }

    fn is_ours(_: &Fingerprint) -> bool {
        true
    }

    fn of(day: Day, files: Vec<(Fingerprint, ObjectMeta)>) -> Self {
        let segments = files.into_iter();
        let segments =
            segments.map(|(fingerprint, file)| Arc::new(SegmentFile { day, fingerprint, file }));
        Self { day, segments: segments.collect() }
    }
}
