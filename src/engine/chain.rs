//! Checking what nothing answers from, and a lost file would be rebuilt of: the manifests before
//! each day's newest, and the claims.

use super::{Difference, Tallybook};
use crate::{
    base::{ErrorKind, Result, Span},
    model::Manifest,
    store::{RawFolder, list_claims, list_raw},
};

/// The first manifest that is damaged or missing, or the first damaged claim.
///
/// # Errors
/// What the store says.
pub(super) async fn check(book: &Tallybook, span: Span) -> Result<Option<Difference>> {
    let Some(days) = span.day_bounds() else { return Ok(None) };
    for folder in list_raw(book.root(), days).await? {
        if let Some(difference) = check_manifests(book, &folder).await? {
            return Ok(Some(difference));
        }
    }
    match list_claims(book.root()).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            Ok(Some(Difference { file: "batches".to_owned(), what: error.to_string() }))
        }
        claims => claims.map(|_| None),
    }
}

/// Each manifest must be there, whole, and name the one before it by its hash. Those of format 1
/// name none, and older ones may be gone.
async fn check_manifests(book: &Tallybook, folder: &RawFolder) -> Result<Option<Difference>> {
    let (root, day) = (book.root(), folder.day);
    let newest = folder.newest().unwrap_or_default();
    let mut previous: Option<String> = None;
    for generation in (1..=newest).rev() {
        let listed = folder.manifests.iter().find(|(number, _)| *number == generation);
        let Some((_, listed)) = listed else {
            if previous.is_none() && generation < newest {
                return Ok(None);
            }
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
