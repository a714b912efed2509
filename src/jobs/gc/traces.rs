//! The hints that show that a leaf is lost. They stay, so that `verify` can go on reporting the
//! loss.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::OnceCell;

use crate::{
    base::{ErrorKind, Result},
    model::{LeafDay, LeafId, Period, SegmentFile},
    store::{Root, file_footer, leaf_ids, list_claims},
};

/// The present leaves of each day, and the claimed leaves, which are read once a hint would be
/// deleted.
pub(super) struct Traces<'a> {
    root: &'a Root,
    live: &'a [Arc<LeafDay>],
    claimed: OnceCell<BTreeSet<LeafId>>,
}

impl<'a> Traces<'a> {
    /// A search for hints of these days.
    pub(super) fn new(root: &'a Root, live: &'a [Arc<LeafDay>]) -> Self {
        Self { root, live, claimed: OnceCell::new() }
    }

    /// Whether the segment was built from a leaf that a claim lists and that is lost: the leaf is
    /// neither there nor accounted for.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses.
    pub(super) async fn is_one(&self, segment: &SegmentFile) -> Result<bool> {
        let claimed = self.claimed.get_or_try_init(|| claimed_leaves(self.root)).await?;
        if claimed.is_empty() {
            return Ok(false);
        }
        let footer = match file_footer(self.root, &segment.file).await {
            Err(error) if error.kind() != ErrorKind::Unavailable => return Ok(false),
            footer => footer?,
        };
        let Some(footer) = footer.segment() else { return Ok(false) };
        let known = self.known(segment).await?;
        let is_lost = |leaf: &&LeafId| claimed.contains(*leaf) && !known.contains(leaf);
        let lost = footer.leaves.iter().find(is_lost);
        if let Some(lost) = lost {
            self.root.warn(&format!(
                "{}: stays, as it was built from the leaf {lost}, which is lost; if that was deleted \
                 on purpose, delete this file, too",
                self.root.full_name(&segment.file.location)
            ));
        }
        Ok(lost.is_some())
    }

    /// The leaves of the segment's day that are there or accounted for. No hint of a day that
    /// can't be read is deleted in any case.
    async fn known(&self, segment: &SegmentFile) -> Result<Vec<LeafId>> {
        let Some(live) = self.live.iter().find(|live| Period::Day(live.day) == segment.period)
        else {
            return Ok(Vec::new());
        };
        match leaf_ids(self.root, live).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Err(error),
            ids => Ok(ids.unwrap_or_default()),
        }
    }
}

/// The leaves that claims list. A claim that can't be read adds none.
async fn claimed_leaves(root: &Root) -> Result<BTreeSet<LeafId>> {
    let mut claimed = BTreeSet::new();
    for claim in list_claims(root).await?.into_iter().flatten() {
        let ids = claim.leaves.iter().filter_map(|leaf| claim.ids_of(leaf).ok());
        claimed.extend(ids.flat_map(|(_, ids)| ids));
    }
    Ok(claimed)
}
