//! Telling a day that somebody else changed from one that is damaged: a file that was listed and is
//! gone was replaced, if the next listing has another generation, or other leaves.

use crate::{
    base::{Error, ErrorKind, Result},
    model::LeafDay,
    store::{Root, list_leaves},
};

/// What stopped work on a day, if it isn't that somebody else changed the day meanwhile.
///
/// # Errors
/// That error, when the day is as it was listed; or what listing it meets.
pub(crate) async fn unless_changed(root: &Root, live: &LeafDay, why: Error) -> Result<()> {
    let can_be = matches!(why.kind(), ErrorKind::NotFound | ErrorKind::Corrupt);
    if can_be && is_changed(root, live).await? { Ok(()) } else { Err(why) }
}

/// Whether a new listing has other rows of the day, or has them elsewhere.
///
/// # Errors
/// What listing meets.
pub(crate) async fn is_changed(root: &Root, live: &LeafDay) -> Result<bool> {
    let listed = list_leaves(&root.with_new_listings(), (live.day, live.day)).await?;
    let what = |live: &LeafDay| {
        let files = live.leaves.iter().map(|leaf| leaf.file.location.clone());
        let generation = live.base.as_ref().map(|base| base.generation);
        (generation, files.collect::<Vec<_>>(), live.damage.clone())
    };
    Ok(listed.first().is_none_or(|now| what(now) != what(live)))
}
