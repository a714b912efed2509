//! Checking what nothing answers from, and a lost file would be rebuilt of: the manifests before
//! each day's newest, and the claims.

use std::collections::BTreeSet;

use super::Difference;
use crate::{
    base::Result,
    engine::Tallybook,
    model::{LeafId, Manifest},
    store::{RawFolder, list_claims},
};

/// The leaves that claims list, by the names that they have if no erasure took these; or the first
/// damaged claim.
///
/// # Errors
/// What the store says.
pub(super) async fn claimed_leaves(
    book: &Tallybook,
) -> Result<std::result::Result<BTreeSet<LeafId>, Difference>> {
    let mut claimed = BTreeSet::new();
    for claim in list_claims(book.root()).await? {
        let leaves = claim.and_then(|claim| {
            let leaves = claim.leaves.iter().map(|leaf| claim.leaf(leaf, 0).map(|(_, id)| id));
            leaves.collect::<Result<Vec<_>>>()
        });
        match leaves {
            Ok(leaves) => claimed.extend(leaves),
            Err(error) => {
                let (file, what) = ("batches".to_owned(), error.to_string());
                return Ok(Err(Difference { file, what }));
            }
        }
    }
    Ok(Ok(claimed))
}

/// Each manifest must be there, whole, and name the one before it by its hash. Before one that
/// names none, older ones may be gone.
///
/// # Errors
/// What the store says.
pub(super) async fn check_manifests(
    book: &Tallybook,
    folder: &RawFolder,
) -> Result<Option<Difference>> {
    let (root, day) = (book.root(), folder.day);
    let newest = folder.newest().unwrap_or_default();
    let mut previous: Option<String> = None;
    for generation in (1..=newest).rev() {
        // The one after it names none: that one is of format 1, or was written by a repair.
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
