//! A day's raw rows: where they are, and the leaves that they came as.

use std::{collections::BTreeMap, sync::Arc};

use object_store::{ObjectMeta, path::Path};

use super::{Fingerprint, Leaf, Manifest, SegmentFile};
use crate::{
    base::{Day, Error, ErrorKind},
    model::Rollup,
};

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
    pub(crate) fn with_base(day: Day, mut leaves: Vec<Arc<Leaf>>, base: Option<Base>) -> Self {
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
    pub(crate) fn damaged(day: Day, kind: ErrorKind, what: String) -> Self {
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
