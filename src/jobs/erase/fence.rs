//! Voiding leaves that must not be published as claimed. A void is a file without rows that takes
//! the leaf's name.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt as _, stream};

use super::day::Erasing;
use crate::{
    base::{Day, Error, ErrorKind, Result, Span, failpoint},
    jobs::JobContext,
    model::{LeafId, Manifest},
    store::{
        Claim, ClaimedLeaf, ErasedValue, RawFolder, Void, Voiding, create_void, file_footer,
        leaf_path, list_claims, list_raw,
    },
};

/// The number of claims that are handled at once.
const CONCURRENT_CLAIMS: usize = 16;

/// Voids each leaf that a claim lists and that isn't published. From here on the leaf's rows
/// can't appear, except rows that the erasure doesn't match. Gives the errors of claims and days
/// that couldn't be read, such as damaged claims.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn fence(context: JobContext<'_>, erasing: &Erasing) -> Result<Vec<Error>> {
    let values = erasing.hashed()?;
    let claims = list_claims(context.root).await?;
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let Some(days) = Span::ALL.day_bounds() else { return Ok(Vec::new()) };
    let folders = list_raw(context.root, days).await?;
    let (mut known, mut unknown) = (HashMap::new(), Vec::new());
    for folder in &folders {
        match Known::of(context, folder).await {
            Ok(found) => drop(known.insert(folder.day, Some(found))),
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            // The erasure of that day reports the error, too.
            Err(error) => {
                known.insert(folder.day, None);
                unknown.push(error.about(format!("day {}", folder.day)));
            }
        }
    }
    let (known, values) = (&known, &values);
    let voided = stream::iter(claims).map(|claim| async move {
        let claim = match claim {
            Ok(claim) => claim,
            Err(error) => return vec![error],
        };
        let mut failed = Vec::new();
        for leaf in &claim.leaves {
            match void_leaf(context, known, &claim, leaf, (erasing, values)).await {
                // The claim was given up, so none of its other leaves will be published, either.
                Ok(Voided::GivenUp) => break,
                Ok(Voided::Is | Voided::Not) => {}
                // The claim's other leaves are voided all the same.
                Err(error) => failed.push(error),
            }
        }
        failed
    });
    let voided = voided.buffer_unordered(CONCURRENT_CLAIMS).collect::<Vec<Vec<Error>>>().await;
    for error in voided.into_iter().flatten() {
        if error.kind() == ErrorKind::Unavailable {
            return Err(error);
        }
        unknown.push(error);
    }
    Ok(unknown)
}

/// A day's folder, with the newest manifest.
struct Known {
    folder: Arc<RawFolder>,
    manifest: Option<Arc<Manifest>>,
}

impl Known {
    async fn of(context: JobContext<'_>, folder: &Arc<RawFolder>) -> Result<Self> {
        let manifest = folder.read_newest(context.root).await?;
        Ok(Self { folder: Arc::clone(folder), manifest })
    }
}

enum Voided {
    Is,
    Not,
    GivenUp,
}

async fn void_leaf(
    context: JobContext<'_>,
    known: &HashMap<Day, Option<Known>>,
    claim: &Claim,
    leaf: &ClaimedLeaf,
    (erasing, values): (&Erasing, &[ErasedValue]),
) -> Result<Voided> {
    for attempt in 0_u32.. {
        let (day, id) = claim.leaf(leaf, attempt)?;
        let known = match known.get(&day) {
            // It is unknown which leaves are missing on a day that can't be read.
            Some(None) => return Ok(Voided::Not),
            Some(Some(known)) => Some(known),
            None => None,
        };
        match void_at(context, known, day, &id).await? {
            // An earlier run of this same erasure created the void.
            At::Void(Void::Erased(values)) if erasing.is_hashed_as(&values)? => {
                return Ok(Voided::Not);
            }
            At::Void(Void::Erased(_)) => continue,
            At::Void(Void::GivenUp) => return Ok(Voided::GivenUp),
            At::Leaf => return Ok(Voided::Not),
            At::Nothing => {}
        }
        let void = Void::Erased(values.to_vec());
        failpoint("erase.fence");
        let of_leaf = (claim.batch.as_str(), claim.number, day, &id);
        match create_void(context.root, context.staging, context.dataset, of_leaf, void).await? {
            Voiding::Done => {
                failpoint("erase.void");
                return Ok(Voided::Is);
            }
            // Another writer created a file of this name first.
            Voiding::Taken(found) => match found.void {
                None => return Ok(Voided::Not),
                Some(Void::Erased(values)) if erasing.is_hashed_as(&values)? => {
                    return Ok(Voided::Not);
                }
                Some(Void::Erased(_)) => {}
                Some(Void::GivenUp) => return Ok(Voided::GivenUp),
            },
        }
    }
    Ok(Voided::Not)
}

/// The file that has a leaf's name, by the folder's listing or the manifest.
enum At {
    Nothing,
    Leaf,
    Void(Void),
}

async fn void_at(
    context: JobContext<'_>,
    known: Option<&Known>,
    day: Day,
    id: &LeafId,
) -> Result<At> {
    let Some(Known { folder, manifest }) = known else { return Ok(At::Nothing) };
    let path = leaf_path(day, id);
    let absorbed = manifest.as_ref().and_then(|manifest| manifest.absorbed(id));
    if absorbed.is_some_and(|absorbed| !absorbed.void) {
        return Ok(At::Leaf);
    }
    let listed = folder.leaves.iter().find(|leaf| leaf.file.location == path);
    if let Some(leaf) = listed {
        let footer = match file_footer(context.root, &leaf.file).await {
            // The file was merged meanwhile, so it was a leaf: a void is never deleted.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(At::Leaf),
            footer => footer?,
        };
        let void = footer.leaf().and_then(|leaf| leaf.void.clone());
        return Ok(void.map_or(At::Leaf, At::Void));
    }
    Ok(At::Nothing)
}
