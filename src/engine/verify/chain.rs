//! Checking what nothing answers from, and a lost file would be rebuilt of: the manifests before
//! each day's newest, and the claims.

use std::collections::BTreeSet;

use super::Difference;
use crate::{
    base::Result,
    engine::Tallybook,
    model::{BatchId, LeafId, Manifest},
    store::{Leaf, LeafFooter, RawFolder, has_definition, list_claims, newest_claim},
};

/// What the claims of a root say.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// The batches.
    pub(super) batches: BTreeSet<String>,
    /// Their leaves, by the names that they have if no erasure took these.
    pub(super) leaves: BTreeSet<LeafId>,
}

/// What all claims say; or what is wrong with the first damaged one, or with the definition that
/// it names.
///
/// # Errors
/// What the store says.
pub(super) async fn check_claims(
    book: &Tallybook,
) -> Result<std::result::Result<Claims, Difference>> {
    let mut claims = Claims::default();
    let mut definition = book.definitions.number;
    for claim in list_claims(book.root()).await? {
        let read = claim.and_then(|claim| {
            let leaves = claim.leaves.iter().map(|leaf| claim.leaf(leaf, 0).map(|(_, id)| id));
            claims.leaves.extend(leaves.collect::<Result<Vec<_>>>()?);
            Ok(claim)
        });
        let claim = match read {
            Ok(claim) => claim,
            Err(error) => {
                let (file, what) = ("batches".to_owned(), error.to_string());
                return Ok(Err(Difference { file, what }));
            }
        };
        definition = definition.max(claim.definition);
        claims.batches.insert(claim.batch);
    }
    // It may also have come since the root was opened.
    if definition > book.definitions.number && !has_definition(book.root(), definition).await? {
        let file = format!("definitions/{definition}.toml");
        let what = "is gone, and rows were appended by it; the one before it counts".to_owned();
        return Ok(Err(Difference { file, what }));
    }
    Ok(Ok(claims))
}

/// A leaf's claim, without which other rows could be appended under the same id. A batch that got
/// no id has a name of 32 hexadecimal digits, and no claim; nor have leaves of format 1.
///
/// # Errors
/// What the store says.
pub(super) async fn check_claim_of(
    book: &Tallybook,
    claims: &Claims,
    (leaf, account): (&Leaf, &LeafFooter),
) -> Result<Option<Difference>> {
    let is_random =
        |batch: &str| batch.len() == 32 && batch.bytes().all(|digit| digit.is_ascii_hexdigit());
    if claims.batches.contains(&account.batch) || is_random(&account.batch) || leaf.is_of_format_1()
    {
        return Ok(None);
    }
    let batch = BatchId::try_new(account.batch.clone())?;
    // A claim comes before its leaves; this one may have come since the claims were listed.
    if newest_claim(book.root(), &batch).await?.is_some() {
        return Ok(None);
    }
    let file = book.root().full_name(&leaf.file.location);
    let what = format!(
        "is of batch `{batch}`, whose claim in `batches/` is gone: other rows could be appended \
         under the same id"
    );
    Ok(Some(Difference { file, what }))
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
