//! Making a batch's leaves visible, each once however often it is tried.

use bytes::Bytes;
use serde::Serialize;

use super::parts::StagedLeaf;
use crate::{
    base::{Error, ErrorKind, Result, step},
    model::{BatchId, ContentHash},
    store::{
        Creation, LeafFooter, Root, Staging, claim_path, create_bytes, create_file, is_absorbed,
        leaf_path, read_footer,
    },
};

/// What a caller's batch id stands for, from its first append on. Without it, the same id with rows
/// of other days would be another batch that nobody notices.
#[derive(Serialize)]
struct Claim<'a> {
    batch: &'a str,
    content: &'a ContentHash,
}

/// Claims a caller's batch id for these rows.
///
/// # Errors
/// `Conflict` when it was claimed for other rows.
pub(super) async fn claim(
    root: &Root,
    staging: &Staging,
    batch: &BatchId,
    content: &ContentHash,
) -> Result<Creation> {
    let claim = serde_json::to_vec(&Claim { batch: batch.as_str(), content })
        .map_err(|error| Error::internal("claim").with_source(error))?;
    let claimed = create_bytes(root, staging, &claim_path(batch), Bytes::from(claim)).await;
    claimed.map_err(|error| match error.kind() {
        ErrorKind::Conflict => Error::conflict(format!(
            "batch `{batch}` was appended with other rows; nothing was changed. Append these under \
             another id, or the same rows under this one"
        ))
        .with_source(error),
        _ => error,
    })
}

/// Makes the leaf visible, or finds its rows there already.
///
/// # Errors
/// `Conflict` when another leaf of that id holds other rows.
pub(super) async fn publish(root: &Root, leaf: &StagedLeaf, retried: bool) -> Result<Creation> {
    let path = leaf_path(leaf.day, &leaf.footer.id);
    let judge = || judge(root, &path, &leaf.footer);
    // Its rows may have been taken in by a compacted file, and the leaf deleted since.
    if retried && is_absorbed(root, leaf.day, &leaf.footer.id).await? {
        return Ok(Creation::Same);
    }
    // A retry mostly finds its leaves there: a look costs less than sending them again. On a local
    // disk it is the create that makes sure of their names.
    if retried
        && root.local_dir().is_none()
        && let Some(found) = judge().await?
    {
        return Ok(found);
    }
    step("append: before a leaf");
    let created = create_file(root, &path, &leaf.path, judge).await;
    step("append: after a leaf");
    created
}

async fn judge(
    root: &Root,
    path: &object_store::path::Path,
    mine: &LeafFooter,
) -> Result<Option<Creation>> {
    let Some(footer) = read_footer(root, path).await? else { return Ok(None) };
    match footer.leaf() {
        Some(found) if found.same_rows(mine) && found.attempt == mine.attempt => {
            Ok(Some(Creation::New))
        }
        Some(found) if found.same_rows(mine) => Ok(Some(Creation::Same)),
        _ => Err(Error::conflict(format!(
            "batch `{}`: {} holds other rows of that batch",
            mine.batch,
            root.full_name(path)
        ))),
    }
}
