//! Checking what nothing answers from, and a lost file would be rebuilt of: the manifests before
//! each day's newest, and the claims.

use super::Difference;
use crate::{
    base::{ErrorKind, Result},
    engine::Tallybook,
    model::Manifest,
    store::{RawFolder, list_claims},
};

/// The first damaged claim.
///
/// # Errors
/// What the store says.
pub(super) async fn check_claims(book: &Tallybook) -> Result<Option<Difference>> {
    match list_claims(book.root()).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            Ok(Some(Difference { file: "batches".to_owned(), what: error.to_string() }))
        }
        claims => claims.map(|_| None),
    }
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
