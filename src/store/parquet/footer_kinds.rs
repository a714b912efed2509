//! What the footer metadata of each kind of file holds.

use serde::{Deserialize, Serialize};

use crate::{
    base::Day,
    model::{Absorbed, ContentHash, EventProof, Fingerprint, LeafId, Rollup},
};

/// The footer metadata of a month's segment, which has the rows of its days' segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MonthFooter {
    /// The rollup's name.
    pub rollup: String,
    /// The hash of the rollup's definition.
    pub definition: String,
    /// The month, `YYYY-MM-01`.
    pub month: String,
    /// The fingerprint of the fingerprints of the month's days.
    pub fingerprint: Fingerprint,
    /// The number of days with rows.
    pub days: usize,
    /// The number of rows in the segment.
    pub rows_out: u64,
}

/// The facts that all files of one generation and attempt have in common. The last file of the
/// set records these facts, so that a lost manifest can be written again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SetFooter {
    /// The number of files in the set.
    pub files: usize,
    /// The generation that the rows were read from; 0 when there was none.
    pub from: u32,
    /// The leaves that the manifest absorbs.
    pub absorbed: Vec<Absorbed>,
    /// The marks of erasures.
    pub marks: Vec<LeafId>,
    /// The hash of the rows of all files. For remains, the hash of the rows that were purged.
    pub content: ContentHash,
}

/// The footer metadata of the remains of a purged day for one rollup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemainsFooter {
    /// The rollup's name in its definition.
    pub rollup: String,
    /// The hash of the rollup's definition.
    pub definition: String,
    /// The text of the dataset's definition that contains the rollup.
    pub dataset: String,
    /// The UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The generation that the file was written for.
    pub generation: u32,
    /// The run that wrote the file.
    pub attempt: String,
    /// The number of this file in the set, from 0.
    pub part: usize,
    /// The number of raw rows that the remains were built from.
    pub rows_in: u64,
    /// The number of rows in the file.
    pub rows_out: u64,
    /// The facts common to the set. Present only in the last file of the set.
    pub set: Option<SetFooter>,
}

/// The footer metadata of a compacted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompactedFooter {
    /// The UTC date of the rows, `YYYY-MM-DD`.
    pub date: String,
    /// The generation that the file was written for.
    pub generation: u32,
    /// The run that wrote the file.
    pub attempt: String,
    /// The hash of the file's rows. The order of the rows doesn't matter.
    pub content: ContentHash,
    /// The number of this file in the set, from 0.
    #[serde(default)]
    pub part: usize,
    /// What is proven about the events in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventProof>,
    /// The facts common to the set. Present only in the last file of the set, and missing in
    /// files of format 1.
    #[serde(default)]
    pub set: Option<SetFooter>,
}

/// The reason for a void. A void is a file without rows that keeps a leaf's name from being used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Void {
    /// Rows that have all of these values were erased before the leaf was published.
    Erased(Vec<ErasedValue>),
    /// The claim was given up. No leaf of the claim will be published.
    GivenUp,
}

/// A value that was erased, as a salted hash. Only a reader that has the value can recognise it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasedValue {
    /// The column.
    pub column: String,
    /// Random, 128 bits in 32 hex digits.
    pub salt: String,
    /// The BLAKE3 of the salt and the value, in hex. The value is the text of the value in the
    /// column's type.
    pub blake3: String,
}

impl ErasedValue {
    /// Hashes the value of a column with the salt.
    #[must_use]
    pub(crate) fn new(column: &str, value: &str, salt: u128) -> Self {
        let salt = format!("{salt:032x}");
        Self { column: column.to_owned(), blake3: Self::hash(&salt, value), salt }
    }

    /// Whether the hash is that of `value`.
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

/// The footer metadata of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafFooter {
    /// The leaf's id.
    pub id: LeafId,
    /// The id of the leaf's batch.
    pub batch: String,
    /// The UTC date of the rows, `YYYY-MM-DD`.
    pub date: String,
    /// The number of this part of the batch's rows of that day, from 0.
    pub part: u32,
    /// The number of the claim that lists the leaf. `None` unless the caller named the batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<u32>,
    /// The hash of the file's rows. The order of the rows doesn't matter.
    pub content: ContentHash,
    /// The run of `append` that wrote the leaf. A retry has another attempt.
    pub attempt: String,
    /// The reason for the void, if the leaf is a void.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void: Option<Void>,
    /// What is proven about the events in the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<EventProof>,
    /// Only in voids: whether a leaf with the void's name was visible before and is lost, as
    /// hints that were built from the leaf proved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
}

/// The footer metadata of a segment.
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
    /// The leaves that the segment was built from, sorted.
    pub leaves: Vec<LeafId>,
    /// The number of raw rows that the segment was built from.
    pub rows_in: u64,
    /// The number of rows in the segment.
    pub rows_out: u64,
}

impl LeafFooter {
    /// Whether the other footer is of the same leaf with the same rows, even if another run wrote
    /// it.
    #[must_use]
    pub(crate) fn same_rows(&self, other: &Self) -> bool {
        self.id == other.id && self.content == other.content
    }
}

impl SegmentFooter {
    /// The footer metadata of a segment of `day`, with no rows yet.
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

    /// Whether the segment is built by the rollup's definition from the leaves of that
    /// fingerprint.
    #[must_use]
    pub(crate) fn is_of(&self, rollup: &Rollup, fingerprint: &Fingerprint) -> bool {
        self.fingerprint == *fingerprint && self.definition == rollup.definition_hash()
    }
}
