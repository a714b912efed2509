//! Distinguishes a day that another writer changed from a damaged day. A listed file that is gone
//! was replaced if a new listing of the day has another generation or other leaves.

use crate::{
    base::{Error, ErrorKind, Result},
    model::LeafDay,
    store::{Root, list_leaves},
};

/// Drops the error `why` if another writer changed the day since it was listed: the change explains
/// the error.
///
/// # Errors
/// `why` when the day is as it was listed, or when `why` has another kind than `NotFound` or
/// `Corrupt`; `Unavailable` when the store can't be listed.
pub(crate) async fn unless_changed(root: &Root, live: &LeafDay, why: Error) -> Result<()> {
    let can_be = matches!(why.kind(), ErrorKind::NotFound | ErrorKind::Corrupt);
    if can_be && is_changed(root, live).await? { Ok(()) } else { Err(why) }
}

/// Whether a new listing of the day has other rows, or has the rows in other files.
///
/// # Errors
/// `Unavailable` when the store can't be listed.
pub(crate) async fn is_changed(root: &Root, live: &LeafDay) -> Result<bool> {
    let listed = list_leaves(&root.with_new_listings(), (live.day, live.day)).await?;
    let what = |live: &LeafDay| {
        // The id of another tool's file says which version of the file it is.
        let files = live.leaves.iter().map(|leaf| (leaf.file.location.clone(), leaf.id.clone()));
        let generation = live.base.as_ref().map(|base| base.generation);
        (generation, files.collect::<Vec<_>>(), live.damage.clone())
    };
    Ok(listed.first().is_none_or(|now| what(now) != what(live)))
}
