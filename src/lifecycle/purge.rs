//! Letting a day's raw rows go: from the next manifest on, only rollups answer for it.

use crate::{
    base::{Result, step},
    model::{
        ContentHash, ContentHasher, LeafId, MANIFEST_FORMAT, Manifest, ManifestState, sorted_ids,
    },
    store::{LeafDay, LeafKind, Root, Staging, create_manifest, leaf_ids, read_account, read_base},
};

/// Says in the day's next manifest that its rows are purged, and which segments answer in their
/// place; with a mark if these are not of all the rows any more. `false` when somebody else changed
/// the day meanwhile, and nothing was done.
///
/// # Errors
/// What reading the leaves' own accounts meets; `Unavailable` when the store refuses.
pub(crate) async fn purge_day(
    root: &Root,
    staging: &Staging,
    live: &LeafDay,
    segments: Vec<String>,
    mark: Option<LeafId>,
) -> Result<bool> {
    let manifest = Manifest {
        format: MANIFEST_FORMAT,
        generation: live.base.as_ref().map_or(0, |base| base.generation) + 1,
        date: live.day.to_string(),
        attempt: format!("{:016x}", rand::random::<u64>()),
        state: ManifestState::Purged,
        leaves: sorted_ids(leaf_ids(root, live).await?.into_iter().chain(mark)),
        files: Vec::new(),
        content: content(root, live).await?,
        segments,
    };
    step("purge: verified");
    let created = create_manifest(root, staging, live.day, &manifest).await?;
    step("purge: manifest created");
    Ok(created)
}

/// The hash of the rows that there were: those purged before, and those that are now. Rows of other
/// tools' files, which say nothing of themselves, are not in it.
async fn content(root: &Root, live: &LeafDay) -> Result<ContentHash> {
    let mut sum = ContentHasher::new();
    for leaf in &live.leaves {
        match (leaf.kind, &live.base) {
            (LeafKind::Foreign, _) => {}
            (LeafKind::Purged, Some(base)) => {
                let before = read_base(root, live.day, base).await?;
                sum.add_hashed(&before.content)?;
            }
            _ => {
                let account = read_account(root, &leaf.file).await?;
                if let Some(content) = account.content() {
                    sum.add_hashed(content)?;
                }
            }
        }
    }
    Ok(sum.finish())
}
