//! Which hints tell of a leaf that is lost: they stay, so that `verify` can go on telling.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    base::{Day, ErrorKind, Result},
    model::LeafId,
    store::{LeafDay, Root, SegmentFile, leaf_ids, list_claims, read_account},
};

/// What claims list, and what is there of it.
pub(super) struct Traces {
    claimed: BTreeSet<LeafId>,
    known: BTreeMap<Day, BTreeSet<LeafId>>,
}

impl Traces {
    /// Those of these days. A claim that can't be read lists nothing; of a day that can't be read
    /// no hint goes in any case.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn of(root: &Root, live: &[Arc<LeafDay>]) -> Result<Self> {
        let mut claimed = BTreeSet::new();
        for claim in list_claims(root).await?.into_iter().flatten() {
            let ids = claim.leaves.iter().filter_map(|leaf| claim.leaf(leaf, 0).ok());
            claimed.extend(ids.map(|(_, id)| id));
        }
        let mut known = BTreeMap::new();
        for live in live {
            let ids = match leaf_ids(root, live).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                ids => ids.unwrap_or_default(),
            };
            known.insert(live.day, ids.into_iter().collect());
        }
        Ok(Self { claimed, known })
    }

    /// Whether the segment was built from a leaf that a claim lists, and that is neither there nor
    /// accounted for.
    ///
    /// # Errors
    /// What the store says.
    pub(super) async fn is_one(&self, root: &Root, segment: &SegmentFile) -> Result<bool> {
        if self.claimed.is_empty() {
            return Ok(false);
        }
        let account = match read_account(root, &segment.file).await {
            Err(error) if error.kind() != ErrorKind::Unavailable => return Ok(false),
            account => account?,
        };
        let Some(account) = account.segment() else { return Ok(false) };
        let known = self.known.get(&segment.day);
        let is_lost = |leaf: &&LeafId| {
            self.claimed.contains(*leaf) && !known.is_some_and(|known| known.contains(*leaf))
        };
        let lost = account.leaves.iter().find(is_lost);
        if let Some(lost) = lost {
            root.warn(&format!(
                "{}: stays, as it was built from the leaf {lost}, which is lost; if that was deleted \
                 on purpose, delete this file, too",
                root.full_name(&segment.file.location)
            ));
        }
        Ok(lost.is_some())
    }
}
