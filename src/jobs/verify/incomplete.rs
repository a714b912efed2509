//! Claimed batches that lack a leaf. Nothing tells an append that ended early from an append whose
//! leaf was lost before a rollup was built from it, so this is a warning and no difference.

use std::collections::{BTreeMap, BTreeSet};

use super::{chain::ClaimedIds, listed::Listed};
use crate::{
    base::{Day, ErrorKind, Result, Span},
    jobs::JobContext,
    model::{LeafId, LeafKind},
    store::{RawFolder, file_footer},
};

/// How many batches the warning names.
const NAMED_MAX: usize = 5;

/// Warns of the batches that lack a leaf of a day in `span`.
///
/// # Errors
/// `Unavailable` when the store refuses; otherwise the error from reading a manifest.
pub(super) async fn warn(context: JobContext<'_>, listed: &Listed, span: Span) -> Result<()> {
    let mut known: BTreeMap<Day, BTreeSet<LeafId>> = BTreeMap::new();
    let mut changing: BTreeSet<Day> = BTreeSet::new();
    for folder in &listed.folders {
        match published(context, folder).await {
            Ok(ids) => _ = known.insert(folder.day, ids),
            Err(error) if error.kind() == ErrorKind::NotFound => _ = changing.insert(folder.day),
            Err(error) => return Err(error),
        }
    }
    let lacks = |leaf: &ClaimedIds| {
        let is_there = |id| known.get(&leaf.day).is_some_and(|ids| ids.contains(id));
        !leaf.day.span().intersect(span).is_empty()
            && !changing.contains(&leaf.day)
            && !leaf.ids.iter().any(is_there)
    };
    let newest = listed.claims.newest.iter();
    let incomplete = newest.filter(|(_, claim)| claim.leaves.iter().any(lacks));
    let incomplete: Vec<_> = incomplete.map(|(batch, _)| format!("`{batch}`")).collect();
    if !incomplete.is_empty() {
        let named = incomplete.get(..NAMED_MAX).map_or_else(
            || incomplete.join(", "),
            |named| format!("{}, and {} more", named.join(", "), incomplete.len() - named.len()),
        );
        context.root.warn(&format!(
            "some rows of these batches are not there: {named}. The append of such a batch still \
             runs, or it ended early, or a raw file was lost. To be sure of the rows, append the \
             batch again: rows that are there don't count twice"
        ));
    }
    Ok(())
}

/// The leaves of the day that were published, and are no voids.
async fn published(context: JobContext<'_>, folder: &RawFolder) -> Result<BTreeSet<LeafId>> {
    let root = context.root;
    let mut published = BTreeSet::new();
    if let Some(manifest) = folder.read_newest(root).await? {
        let absorbed = manifest.absorbed.iter().filter(|absorbed| !absorbed.void);
        published.extend(absorbed.map(|absorbed| absorbed.id.clone()));
    }
    let live = folder.live(root).await?;
    for leaf in live.loose().filter(|leaf| leaf.kind == LeafKind::Appended) {
        let footer = file_footer(root, &leaf.file).await?;
        published
            .extend(footer.leaf().filter(|leaf| leaf.void.is_none()).map(|leaf| leaf.id.clone()));
    }
    Ok(published)
}
