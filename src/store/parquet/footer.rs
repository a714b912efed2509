//! What every Parquet file of ours says of itself, in its footer under the key `tallybook`.

use object_store::path::Path;
use parquet::file::metadata::ParquetMetaData;
use serde::{Deserialize, Serialize};

use crate::{
    base::{Day, Error, Result},
    model::{Absorbed, ContentHash, Fingerprint, LeafId, Rollup},
    store::{
        BlockHashes, FileDigest,
        layout::{compacted_name, file_name, remains_name},
        list::raw_name::RawName,
    },
};

/// The footer key.
pub(crate) const FOOTER_KEY: &str = "tallybook";

/// The newest format of files that this program reads, and the one it writes.
pub(crate) const FILE_FORMAT: u32 = 2;

/// From this format on files have a seal.
pub(crate) const FIRST_SEALED: u32 = 2;

/// A file's own account of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFooter {
    /// The format of this account.
    pub format: u32,
    /// The bytes before the footer, and their hash.
    pub body: FileDigest,
    /// The hashes of those bytes' blocks.
    #[serde(default, skip_serializing_if = "BlockHashes::is_empty")]
    pub blocks: BlockHashes,
    /// What it holds.
    pub kind: FileKind,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    /// Raw rows.
    Leaf(LeafFooter),
    /// A rollup's rows of one day.
    Segment(SegmentFooter),
    /// Raw rows of several leaves.
    Compacted(CompactedFooter),
    /// What remains of a purged day for one rollup.
    Remains(RemainsFooter),
    /// A rollup's rows of one month.
    Month(MonthFooter),
}

/// A month's segment's account: it has the rows of its days' segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MonthFooter {
    /// The rollup's name.
    pub rollup: String,
    /// The hash of the rollup's definition.
    pub definition: String,
    /// The month, `YYYY-MM-01`.
    pub month: String,
    /// The fingerprint of its days' fingerprints.
    pub fingerprint: Fingerprint,
    /// How many days with rows it has.
    pub days: usize,
    /// Rows of the segment.
    pub rows_out: u64,
}

/// What all files of one generation and attempt have in common, in the last of them: enough to
/// write their manifest anew, should it be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetFooter {
    /// How many files the set has.
    pub files: usize,
    /// The generation that the rows were read of; 0 when there was none.
    pub from: u32,
    /// The leaves that the manifest is to account for.
    pub absorbed: Vec<Absorbed>,
    /// The marks of erasures.
    pub marks: Vec<LeafId>,
    /// The rows of all files; of remains the rows that were purged.
    pub content: ContentHash,
}

/// The account of what remains of a purged day for one rollup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemainsFooter {
    /// The rollup's name in its definition.
    pub rollup: String,
    /// The hash of the rollup's definition.
    pub definition: String,
    /// The text of the dataset's definition that the rollup is part of.
    pub dataset: String,
    /// The UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The generation of the manifest that it was written for.
    pub generation: u32,
    /// The run that wrote it.
    pub attempt: String,
    /// Which file of the set, from 0.
    pub part: usize,
    /// Raw rows behind it.
    pub rows_in: u64,
    /// Its rows.
    pub rows_out: u64,
    /// Of the last file of the set: what all have in common.
    pub set: Option<SetFooter>,
}

/// A compacted file's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompactedFooter {
    /// Its UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The generation of the manifest that it was written for.
    pub generation: u32,
    /// The run that wrote it.
    pub attempt: String,
    /// Its rows, whatever their order.
    pub content: ContentHash,
    /// Which file of the set, from 0.
    #[serde(default)]
    pub part: usize,
    /// Of the last file of the set: what all have in common. Files of format 1 lack it.
    #[serde(default)]
    pub set: Option<SetFooter>,
}

/// Why a leaf is a void: a file without rows that keeps its name from being used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Void {
    /// Rows that have all of these values were erased before the leaf was published.
    Erased(Vec<ErasedValue>),
    /// The claim was given up: none of its leaves will be published.
    GivenUp,
}

/// A value that was erased, as something that tells only who has the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasedValue {
    /// The column.
    pub column: String,
    /// Random, 128 bits in hex.
    pub salt: String,
    /// The BLAKE3 of the salt and the value in the column's type, as text.
    pub blake3: String,
}

impl ErasedValue {
    /// What stands for that value of that column.
    #[must_use]
    pub(crate) fn new(column: &str, value: &str, salt: u128) -> Self {
        let salt = format!("{salt:032x}");
        Self { column: column.to_owned(), blake3: Self::hash(&salt, value), salt }
    }

    /// Whether it stands for that value.
    #[must_use]
    pub(crate) fn is(&self, value: &str) -> bool {
        self.blake3 == Self::hash(&self.salt, value)
    }

    fn hash(salt: &str, value: &str) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 erased value");
        hasher.update(salt.as_bytes());
        hasher.update(value.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

/// A leaf's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafFooter {
    /// Its id.
    pub id: LeafId,
    /// The batch it is of.
    pub batch: String,
    /// Its UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// Which part of the batch's rows of that day, from 0.
    pub part: u32,
    /// The number of the claim that lists it, if the caller named the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<u32>,
    /// Its rows, whatever their order.
    pub content: ContentHash,
    /// The run of `append` that wrote it; a retry has another.
    pub attempt: String,
    /// Why it is a void, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Void>,
    /// Of a void: that a leaf was there before it and is lost, as a rollup told that was built from
    /// the leaf.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// A segment's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentFooter {
    /// The rollup's name.
    pub rollup: String,
    /// The hash of the rollup's definition.
    pub definition: String,
    /// The UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The fingerprint of `leaves`.
    pub fingerprint: Fingerprint,
    /// The leaves that it was built from, sorted.
    pub leaves: Vec<LeafId>,
    /// Raw rows read.
    pub rows_in: u64,
    /// Rows of the segment.
    pub rows_out: u64,
}

impl FileFooter {
    /// Reads the account out of a file's metadata.
    ///
    /// # Errors
    /// `Corrupt` when there is none or it can't be read.
    pub(crate) fn of(metadata: &ParquetMetaData) -> Result<Self> {
        Self::parse(account_text(metadata)?.as_bytes())
    }

    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let found: Self = serde_json::from_slice(text)
            .map_err(|error| Error::corrupt(format!("its footer: {error}")).with_source(error))?;
        if found.format > FILE_FORMAT {
            return Err(Error::invalid(format!(
                "file format {} is newer than this program's, {FILE_FORMAT}; use a newer tallybook",
                found.format
            )));
        }
        Ok(found)
    }

    /// Whether it is the account of the file that is there, by its name and its folder. A copy
    /// under a name that isn't one of ours is another tool's file.
    pub(crate) fn is_at(&self, location: &Path) -> bool {
        let path = location.as_ref();
        let named = RawName::parse(file_name(location));
        if path.starts_with("raw/") && named == Some(RawName::Foreign) {
            return true;
        }
        match &self.kind {
            FileKind::Leaf(leaf) => {
                let is_in_its_folder = path.contains(&format!("date={}/", leaf.date));
                match named {
                    Some(RawName::Leaf(id) | RawName::LeafOrForeign(id)) => {
                        id == leaf.id && is_in_its_folder
                    }
                    _ => false,
                }
            }
            FileKind::Compacted(CompactedFooter { date, generation, attempt, part, .. }) => {
                path.ends_with(&format!(
                    "date={date}/{}",
                    compacted_name(*generation, attempt, *part)
                )) || path.contains(&format!("date={date}/c-{generation:08}-{attempt}-"))
            }
            FileKind::Remains(RemainsFooter { date, generation, attempt, definition, .. }) => path
                .ends_with(&format!(
                    "date={date}/{}",
                    remains_name(*generation, attempt, definition)
                )),
            FileKind::Segment(SegmentFooter { definition, date, fingerprint, .. }) => {
                path.ends_with(&format!("/{definition}/date={date}/{fingerprint}.parquet"))
            }
            FileKind::Month(MonthFooter { definition, month, fingerprint, .. }) => {
                let month = month.get(..7).unwrap_or(month);
                path.ends_with(&format!("/{definition}/month={month}/{fingerprint}.parquet"))
            }
        }
    }

    /// The leaf's account, if it is one.
    #[must_use]
    pub(crate) const fn leaf(&self) -> Option<&LeafFooter> {
        match &self.kind {
            FileKind::Leaf(leaf) => Some(leaf),
            FileKind::Segment(_)
            | FileKind::Compacted(_)
            | FileKind::Remains(_)
            | FileKind::Month(_) => None,
        }
    }

    /// The raw rows of a file, whatever their order; none of a segment.
    #[must_use]
    pub(crate) const fn content(&self) -> Option<&ContentHash> {
        match &self.kind {
            FileKind::Leaf(leaf) => Some(&leaf.content),
            FileKind::Compacted(compacted) => Some(&compacted.content),
            FileKind::Segment(_) | FileKind::Remains(_) | FileKind::Month(_) => None,
        }
    }

    /// The segment's account, if it is one.
    #[must_use]
    pub(crate) const fn segment(&self) -> Option<&SegmentFooter> {
        match &self.kind {
            FileKind::Segment(segment) => Some(segment),
            FileKind::Leaf(_)
            | FileKind::Compacted(_)
            | FileKind::Remains(_)
            | FileKind::Month(_) => None,
        }
    }

    /// Which file of its generation it is, from 0; of merged rows and of remains.
    #[must_use]
    pub(crate) const fn part(&self) -> Option<usize> {
        match &self.kind {
            FileKind::Compacted(compacted) => Some(compacted.part),
            FileKind::Remains(remains) => Some(remains.part),
            FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// What all files of its generation have in common, if it is the last of them.
    #[must_use]
    pub(crate) const fn set(&self) -> Option<&SetFooter> {
        match &self.kind {
            FileKind::Compacted(compacted) => compacted.set.as_ref(),
            FileKind::Remains(remains) => remains.set.as_ref(),
            FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// The rows of a file of merged rows, or of remains.
    #[must_use]
    pub(crate) const fn rows(&self) -> Option<u64> {
        match &self.kind {
            FileKind::Compacted(compacted) => Some(compacted.content.rows),
            FileKind::Remains(remains) => Some(remains.rows_out),
            FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// The raw rows behind a rollup's rows of one day; none of other files.
    #[must_use]
    pub(crate) const fn rows_in(&self) -> Option<u64> {
        match &self.kind {
            FileKind::Segment(segment) => Some(segment.rows_in),
            FileKind::Remains(remains) => Some(remains.rows_in),
            FileKind::Leaf(_) | FileKind::Compacted(_) | FileKind::Month(_) => None,
        }
    }
}

impl LeafFooter {
    /// Whether that is the same leaf with the same rows, whoever wrote it.
    #[must_use]
    pub(crate) fn same_rows(&self, other: &Self) -> bool {
        self.id == other.id && self.content == other.content
    }
}

impl SegmentFooter {
    /// The account of a segment of `day`.
    #[must_use]
    pub(crate) fn new(rollup: &Rollup, day: Day, mut leaves: Vec<LeafId>) -> Self {
        leaves.sort_unstable();
        Self {
            rollup: rollup.folder().to_owned(),
            definition: rollup.definition_hash().to_owned(),
            date: day.to_string(),
            fingerprint: Fingerprint::of(&leaves),
            leaves,
            rows_in: 0,
            rows_out: 0,
        }
    }

    /// Whether it is of that rollup and those leaves.
    #[must_use]
    pub(crate) fn is_of(&self, rollup: &Rollup, fingerprint: &Fingerprint) -> bool {
        self.fingerprint == *fingerprint && self.definition == rollup.definition_hash()
    }
}

pub(crate) fn account_text(metadata: &ParquetMetaData) -> Result<&str> {
    let pairs = metadata.file_metadata().key_value_metadata();
    pairs
        .into_iter()
        .flatten()
        .find(|pair| pair.key == FOOTER_KEY)
        .and_then(|pair| pair.value.as_deref())
        .ok_or_else(|| Error::corrupt("not a file that tallybook wrote"))
}
