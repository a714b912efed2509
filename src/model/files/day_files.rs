//! The raw rows of a day: the files that hold them, and the leaves that they arrived as.

use std::{collections::BTreeMap, sync::Arc};

use object_store::{ObjectMeta, path::Path};

use super::{Fingerprint, Leaf, Manifest, SegmentFile};
use crate::{
    base::{Day, Error, ErrorKind},
    model::Rollup,
};

/// The raw rows of a day: the files that hold them, and the leaves that they arrived as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LeafDay {
    /// The day.
    pub day: Day,
    /// The files to read, in the order of their ids: the compacted files of the newest manifest,
    /// and the leaves that the manifest doesn't account for. On a purged day, one entry stands for
    /// the purged rows. It can't be read.
    pub leaves: Vec<Arc<Leaf>>,
    /// The fingerprint of all leaves that the rows arrived as.
    pub fingerprint: Fingerprint,
    /// The part of the day that the newest manifest accounts for.
    pub base: Option<Base>,
    /// The remains of a purged day, by the hash of the rollup's definition. Their fingerprint is
    /// that of the leaves that the manifest accounts for.
    pub remains: BTreeMap<String, Arc<SegmentFile>>,
    /// The files that the manifest names and that are missing.
    pub lost: Vec<Path>,
    /// The reason why the day can't be read, if it can't. A damaged day has no leaves.
    pub damage: Option<Damage>,
}

/// The reason why a day can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The kind of error: what a caller can do about it.
    pub kind: ErrorKind,
    /// The message, with the file's name.
    pub what: String,
}

impl Damage {
    /// The error of a query or job that needs the day.
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
    /// The fingerprint of the leaves that the manifest accounts for.
    pub fingerprint: Fingerprint,
    /// Whether the rows of those leaves were purged.
    pub purged: bool,
    /// The manifest's file, if the listing has it, and not only its tag.
    pub listed: Option<ObjectMeta>,
    /// The manifest. It is read when file names don't say enough, and always when the day has
    /// loose leaves.
    pub manifest: Option<Arc<Manifest>>,
}

impl LeafDay {
    /// A day of `leaves`, without a manifest.
    #[must_use]
    pub(crate) fn new(day: Day, leaves: Vec<Arc<Leaf>>) -> Self {
        Self::with_base(day, leaves, None)
    }

    /// A day of `leaves`, with the part that a manifest accounts for.
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

    /// A day that can't be read. `what` is the message.
    #[must_use]
    pub(crate) fn damaged(day: Day, kind: ErrorKind, what: String) -> Self {
        Self { damage: Some(Damage { kind, what }), ..Self::new(day, Vec::new()) }
    }

    /// The remains of the day for that rollup.
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

/// The fingerprint of a month, from its `days` in order. Days without leaves don't count.
#[must_use]
pub(crate) fn month_fingerprint<'d>(days: impl IntoIterator<Item = &'d LeafDay>) -> Fingerprint {
    let days = days.into_iter().filter(|live| !live.leaves.is_empty());
    Fingerprint::of_days(days.map(|live| (live.day, &live.fingerprint)))
}
