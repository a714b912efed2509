//! Checking files that answer no query but from which a lost file would be rebuilt: the manifests
//! before each day's newest one, and the claims.

use std::collections::BTreeMap;

use super::Difference;
use crate::{
    base::{Day, Result},
    jobs::JobContext,
    model::{BatchId, Leaf, LeafId, Manifest},
    store::{LeafFooter, RawFolder, has_definition, leaf_at, leaf_path, list_claims, newest_claim},
};

/// The claims of a root.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The newest claim on each batch.
    pub(super) newest: BTreeMap<String, NewestClaim>,
    /// The ids that leaves of all claims may have. The value is the id that the leaf has if an
    /// erasure voided the key.
    pub(super) leaves: BTreeMap<LeafId, LeafId>,
}

/// The newest claim on a batch.
#[derive(Debug)]
pub(super) struct NewestClaim {
    number: u32,
    /// The claim's leaves.
    pub(super) leaves: Vec<ClaimedIds>,
}

/// The ids that a claimed leaf may have.
#[derive(Clone, Debug)]
pub(super) struct ClaimedIds {
    /// The UTC day of the leaf.
    pub(super) day: Day,
    /// The first id, and the next ones, each for an erasure that voided the one before.
    pub(super) ids: Vec<LeafId>,
}

/// Reads all claims. Gives a difference instead when a claim is damaged, or when the newest
/// definition that a claim names is gone.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(super) async fn check_claims(
    context: JobContext<'_>,
) -> Result<std::result::Result<Claims, Difference>> {
    let mut claims = Claims::default();
    let mut definition = context.definitions.opened().number;
    for claim in list_claims(context.root).await? {
        let read = claim.and_then(|claim| {
            let ids = claim.leaves.iter().map(|leaf| {
                let (day, ids) = claim.ids_of(leaf)?;
                Ok(ClaimedIds { day, ids })
            });
            let leaves = ids.collect::<Result<Vec<_>>>()?;
            Ok((claim, leaves))
        });
        let (claim, leaves) = match read {
            Ok(read) => read,
            Err(error) => {
                let (file, what) = ("batches".to_owned(), error.to_string());
                return Ok(Err(Difference { file, what }));
            }
        };
        definition = definition.max(claim.definition);
        for ids in leaves.iter().map(|leaf| &leaf.ids) {
            claims.leaves.extend(ids.iter().cloned().zip(ids.iter().skip(1).cloned()));
        }
        let newest = claims.newest.get(&claim.batch);
        if newest.is_none_or(|newest| newest.number < claim.number) {
            let newest = NewestClaim { number: claim.number, leaves };
            claims.newest.insert(claim.batch, newest);
        }
    }
    // The definition may also have been created since the root was opened.
    if definition > context.definitions.opened().number
        && !has_definition(context.root, definition).await?
    {
        let file = format!("definitions/{definition}.toml");
        let what = "is gone, and rows were appended by it; the one before it counts".to_owned();
        return Ok(Err(Difference { file, what }));
    }
    Ok(Ok(claims))
}

/// Checks that the leaf's claim is there: without the claim, other rows could be appended under
/// the same id. When the leaf is a void in the place of a lost leaf, checks that the batch was
/// appended again since.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(super) async fn check_claim_of(
    context: JobContext<'_>,
    claims: &Claims,
    (leaf, footer): (&Leaf, &LeafFooter),
    is_known: impl Fn(&LeafId) -> bool,
) -> Result<Option<Difference>> {
    let batch = &footer.batch;
    let differs = |what: String| {
        let file = context.root.full_name(&leaf.file.location);
        Ok(Some(Difference { file, what }))
    };
    if footer.lost && claims.leaves.get(&leaf.id).is_some_and(|next| !is_known(next)) {
        return differs(format!(
            "is a void in the place of a leaf of batch `{batch}` that was lost, with its rows; \
             append that batch again"
        ));
    }
    if footer.void.is_none() && claims.leaves.get(&leaf.id).is_some_and(is_known) {
        return differs(format!(
            "is of batch `{batch}` as it was before an erasure, and what was appended again since \
             counts, too; delete this file"
        ));
    }
    let Some(number) = footer.claim else { return Ok(None) };
    if claims.newest.get(batch).is_some_and(|newest| newest.number >= number) {
        let is_claimed = claims.leaves.contains_key(&leaf.id)
            || claims.leaves.values().any(|next| *next == leaf.id);
        return if is_claimed {
            Ok(None)
        } else {
            differs(format!(
                "is of batch `{batch}`, and no claim on it in `batches/` lists this file: its claim \
                 was lost, and other rows were appended under the same id"
            ))
        };
    }
    // A claim is created before its leaves, so this claim may be newer than the listing of
    // claims.
    let newest = newest_claim(context.root, &BatchId::try_new(batch.clone())?).await?;
    if newest.is_some_and(|newest| newest.number >= number) {
        return Ok(None);
    }
    differs(format!(
        "is of batch `{batch}`, whose claim in `batches/` is gone: other rows could be appended \
         under the same id"
    ))
}

/// Checks that the voids which the manifest accounts for are there. A void's file keeps its name
/// from being used.
///
/// # Errors
/// `NotFound` or `Corrupt` when the manifest can't be read; `Unavailable` when the store refuses.
pub(super) async fn check_voids(
    context: JobContext<'_>,
    folder: &RawFolder,
) -> Result<Option<Difference>> {
    let Some(manifest) = folder.read_newest(context.root).await? else { return Ok(None) };
    let voids = manifest.absorbed.iter().filter(|absorbed| absorbed.void);
    for void in voids {
        let path = leaf_path(folder.day, &void.id);
        let what = match leaf_at(context.root, &path).await? {
            None => "is gone; it was a void, which kept erased rows from coming back",
            Some(found) if found.void.is_none() => {
                "has rows, which don't count: a void was there, and the day's manifest accounts for \
                 it; put the void back, and append these rows under another id"
            }
            Some(_) => continue,
        };
        let (file, what) = (context.root.full_name(&path), what.to_owned());
        return Ok(Some(Difference { file, what }));
    }
    Ok(None)
}

/// Checks that each manifest is there, is whole, and has the hash of the previous manifest.
/// Manifests before one without such a hash may be gone.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(super) async fn check_manifests(
    context: JobContext<'_>,
    folder: &RawFolder,
) -> Result<Option<Difference>> {
    let (root, day) = (context.root, folder.day);
    let newest = folder.newest().unwrap_or_default();
    let mut previous: Option<String> = None;
    for generation in (1..=newest).rev() {
        // The next manifest has no such hash: it is of format 1, or was written by a repair.
        if previous.is_none() && generation < newest {
            return Ok(None);
        }
        let listed = folder.manifests.iter().find(|(number, _)| *number == generation);
        let Some((_, listed)) = listed else {
            let file = format!("day {day}");
            let what = format!("its manifest of generation {generation} is gone");
            return Ok(Some(Difference { file, what }));
        };
        let file = root.full_name(&listed.location);
        let Some(bytes) = root.read(&listed.location).await? else {
            return Ok(Some(Difference { file, what: "is gone".to_owned() }));
        };
        let found = match Manifest::parse(&bytes, day, generation) {
            Ok(found) => found,
            Err(error) => return Ok(Some(Difference { file, what: error.to_string() })),
        };
        if previous.is_some_and(|hash| hash != found.hash) {
            let what = "is another manifest than the next one names".to_owned();
            return Ok(Some(Difference { file, what }));
        }
        previous = found.previous;
    }
    Ok(None)
}
