//! Claims: a claim records the rows of a caller's batch id, from the first append on.
//!
//! A claim is created, if absent, before any leaf of the batch. A claim lists every leaf with the
//! hash of the leaf's rows. So every writer of a leaf with that id publishes the same rows.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, try_join};
use object_store::{ObjectMeta, ObjectStore as _, path::Path};
use serde::{Deserialize, Serialize};

use crate::{
    base::{Day, Error, ErrorKind, Result},
    model::{BatchId, ContentHash, LeafId, with_hash, without_hash},
    store::{
        Creation, Root, Staging,
        cache::metadata::name_of,
        create_bytes,
        layout::{BATCHES_FOLDER, claim_path, claim_path_format_1, is_claim},
        list::local_folders::flat_files,
        store_error,
    },
};

/// Claims that are read concurrently.
const CONCURRENT_READS: usize = 32;

/// How many erasures in a row that voided a claimed leaf are told from a loss of the leaf. Each
/// needs an append that died, and an erasure before its retry.
const VOIDS_MAX: u32 = 16;

/// The newest claim format that this program reads, and the format that this program writes.
const CLAIM_FORMAT: u32 = 2;

/// The prefix of a claim's last line, in front of the hash.
const HASH: &str = "blake3 ";

/// The record of the rows that a batch id stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The format of this file.
    pub format: u32,
    /// The batch's id.
    pub batch: String,
    /// The number of the claim, from 0. A claim that is given up is replaced by the claim with
    /// the next number.
    #[serde(rename = "claim")]
    pub number: u32,
    /// The number of the definition that the rows were parsed with. 0 is the definition of a root
    /// of format 1.
    pub definition: u32,
    /// The UTC date of the claim, `YYYY-MM-DD`. Rows dated later than the day after were
    /// rejected.
    pub today: String,
    /// The hash of all rows. The order of the rows doesn't matter.
    pub content: ContentHash,
    /// The leaves, ordered by day and part. The first leaf is published first.
    pub leaves: Vec<ClaimedLeaf>,
}

/// A leaf of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClaimedLeaf {
    /// The UTC date of the leaf, `YYYY-MM-DD`.
    pub date: String,
    /// The number of this part of the batch's rows of that day, from 0.
    pub part: u32,
    /// The hash of the leaf's rows. The order of the rows doesn't matter.
    pub content: ContentHash,
}

impl Claim {
    /// Creates the claim of that number on a batch, in memory.
    #[must_use]
    pub(crate) fn new(
        batch: &BatchId,
        number: u32,
        (definition, today): (u32, Day),
        content: ContentHash,
        leaves: Vec<ClaimedLeaf>,
    ) -> Self {
        let (format, batch, today) = (CLAIM_FORMAT, batch.to_string(), today.to_string());
        Self { format, batch, number, definition, today, content, leaves }
    }

    /// The UTC date of the claim. Rows dated later than the day after were rejected.
    ///
    /// # Errors
    /// `Corrupt` when the text isn't a date.
    pub(crate) fn today(&self) -> Result<Day> {
        self.today.parse().map_err(|_| self.wrong(&self.today))
    }

    /// The UTC day and the id of one leaf of the claim. `attempt` is the number of erasures that
    /// have taken a name of this leaf so far.
    ///
    /// # Errors
    /// `Corrupt` when the date or the batch id in the claim is invalid.
    pub(crate) fn leaf(&self, leaf: &ClaimedLeaf, attempt: u32) -> Result<(Day, LeafId)> {
        let day = leaf.date.parse().map_err(|_| self.wrong(&leaf.date))?;
        let batch = BatchId::try_new(self.batch.clone()).map_err(|_| self.wrong(&self.batch))?;
        Ok((day, LeafId::of(&batch, self.number, (day, leaf.part), &leaf.content, attempt)))
    }

    /// The UTC day of a leaf of the claim, and the ids that the leaf may have: the first, and those
    /// after each erasure that voided one, as far as is looked.
    ///
    /// # Errors
    /// See [`leaf`](Self::leaf).
    pub(crate) fn ids_of(&self, leaf: &ClaimedLeaf) -> Result<(Day, Vec<LeafId>)> {
        let (day, first) = self.leaf(leaf, 0)?;
        let next = (1..=VOIDS_MAX).map(|attempt| Ok(self.leaf(leaf, attempt)?.1));
        let ids = std::iter::once(Ok(first)).chain(next).collect::<Result<_>>()?;
        Ok((day, ids))
    }

    fn wrong(&self, what: &str) -> Error {
        Error::corrupt(format!("the claim on batch `{}` says `{what}`", self.batch))
    }
}

/// The newest claim on a batch id. `None` when the batch id has no claim.
///
/// # Errors
/// `Corrupt` when a claim is damaged, or when claim 0 is gone and claim 1 exists; `Invalid` when
/// a claim has a newer format; `Conflict` when the claim is of format 1; any error from the
/// store.
pub(crate) async fn newest_claim(root: &Root, batch: &BatchId) -> Result<Option<Claim>> {
    let mut newest = None;
    // Claim 1 is looked up at the same time: if claim 1 exists, a missing claim 0 is lost.
    let (first_path, second_path) = (claim_path(batch, 0), claim_path(batch, 1));
    let (first, second) = try_join!(root.read(&first_path), root.look(&second_path))?;
    match first {
        Some(found) => newest = Some(parse(root, &first_path, &found)?),
        None if second.is_some() => {
            let name = root.full_name(&first_path);
            return Err(Error::corrupt(format!(
                "{name}: is gone, and a later claim on batch `{batch}` is there; nothing was changed"
            )));
        }
        None => {}
    }
    let mut next = second.map(|_| 1);
    while let Some(number) = next {
        let path = claim_path(batch, number);
        let Some(found) = root.read(&path).await? else { break };
        newest = Some(parse(root, &path, &found)?);
        next = number.checked_add(1);
    }
    if newest.is_none() && root.look(&claim_path_format_1(batch)).await?.is_some() {
        return Err(Error::conflict(format!(
            "batch `{batch}` was appended by a program of format 1, and this one can't tell whether \
             these are the same rows; nothing was changed. Append other rows under another id"
        )));
    }
    Ok(newest)
}

/// Creates the claim, if absent. `false` when a different claim of that number exists.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn create_claim(
    root: &Root,
    staging: &Staging,
    batch: &BatchId,
    claim: &Claim,
) -> Result<bool> {
    let json = serde_json::to_string(claim)
        .map_err(|error| Error::internal("claim").with_source(error))?;
    let file = Bytes::from(with_hash(&json, HASH));
    match create_bytes(root, staging, &claim_path(batch, claim.number), file).await {
        Ok(Creation::New | Creation::Same) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// All claims of the root, in no particular order. A damaged claim is an inner `Err` that says
/// what is wrong.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn list_claims(root: &Root) -> Result<Vec<Result<Claim>>> {
    let files = claim_files(root).await?;
    let claims = stream::iter(files).map(|file| async move {
        let read = async {
            let found = root.read(&file.location).await?;
            found.ok_or_else(|| {
                Error::not_found(format!("{}: not found", root.full_name(&file.location)))
            })
        };
        let bytes = root.metadata_cache().find_or(&name_of(&file), read).await?;
        Ok(parse(root, &file.location, &bytes))
    });
    claims.buffer_unordered(CONCURRENT_READS).try_collect().await
}

async fn claim_files(root: &Root) -> Result<Vec<ObjectMeta>> {
    let folder = Path::from(BATCHES_FOLDER);
    let fail = |error| store_error(&root.full_name(&folder), error);
    if let Some(dir) = root.local_dir() {
        return flat_files(dir, BATCHES_FOLDER, is_claim);
    }
    let files = if let Some(pages) = root.pages() {
        // List by first digit, without subfolders. Such a listing doesn't return objects whose
        // name is not a valid path.
        let digits = "0123456789abcdef".chars();
        let listed = digits.map(|digit| pages.list_flat(format!("{BATCHES_FOLDER}/{digit}")));
        let listed = stream::iter(listed).buffer_unordered(CONCURRENT_READS);
        listed.try_collect::<Vec<_>>().await.map_err(fail)?.into_iter().flatten().collect()
    } else {
        root.store().list(Some(&folder)).try_collect::<Vec<_>>().await.map_err(fail)?
    };
    Ok(files.into_iter().filter(|file| is_claim(&file.location)).collect())
}

fn parse(root: &Root, path: &Path, bytes: &[u8]) -> Result<Claim> {
    let name = root.full_name(path);
    let (json, _) = without_hash(bytes, HASH).map_err(|error| error.about(&name))?;
    let wrong = |error| Error::corrupt(format!("{name}: not a claim: {error}"));
    let claim: Claim = serde_json::from_str(json).map_err(wrong)?;
    if claim.format > CLAIM_FORMAT {
        return Err(Error::invalid(format!(
            "{name}: format {} is newer than this program's, {CLAIM_FORMAT}; use a newer tallybook",
            claim.format
        )));
    }
    let batch = BatchId::try_new(claim.batch.clone()).map_err(|error| error.about(&name))?;
    if claim_path(&batch, claim.number) == *path {
        Ok(claim)
    } else {
        Err(Error::corrupt(format!("{name}: it is another claim than its name says")))
    }
}
