//! Names of raw files: a batch's id, and the ids of its leaves.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ContentHash;
use crate::base::{Day, Error, Result};

/// The id of one append. The same id again is the same append.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(String);

impl BatchId {
    /// An id that the caller chose.
    ///
    /// # Errors
    /// `Invalid` when it is empty or longer than 512 bytes.
    pub fn try_new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        if id.is_empty() || id.len() > 512 {
            return Err(Error::invalid("a batch id has 1 to 512 bytes"));
        }
        Ok(Self(id))
    }

    /// The id as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The start of the names of this batch's claims: 128 bits in hex, whatever bytes the id has.
    #[must_use]
    pub(crate) fn claims_name(&self) -> String {
        hex_128(
            blake3::Hasher::new_derive_key("tallybook 2026 batch claim").update(self.0.as_bytes()),
        )
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of one immutable raw file: 128 bits in hex, and the stem of its file name.
///
/// Of a file that Tallybook appended it is `BLAKE3(batch id, claim, date, part, try, content)`: not
/// of the content alone, since two honest identical batches must both count. The content is the
/// order-free hash of the rows as claimed, so one batch encoded twice counts once, and what was
/// built of a batch is never taken for what another root has of the same id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafId(String);

impl LeafId {
    /// The id of a part of what a claim on a batch holds for a day, with the hash of its rows as
    /// claimed. `attempt` is 0, or one more than the attempt whose name an erasure took.
    #[must_use]
    pub fn of(
        batch: &BatchId,
        claim: u32,
        (day, part): (Day, u32),
        content: &ContentHash,
        attempt: u32,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 leaf id, format 2");
        hasher.update(&(batch.0.len() as u64).to_le_bytes());
        hasher.update(batch.0.as_bytes());
        hasher.update(&claim.to_le_bytes());
        hasher.update(&day.epoch_days().to_le_bytes());
        hasher.update(&part.to_le_bytes());
        hasher.update(&attempt.to_le_bytes());
        hasher.update(&content.rows.to_le_bytes());
        hasher.update(content.sum.as_bytes());
        Self(hex_128(&hasher))
    }

    /// The id of a file that another tool put there: of its path, size and version.
    #[must_use]
    pub fn of_foreign(path: &str, size: u64, version: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 foreign leaf id");
        for part in [path.as_bytes(), &size.to_le_bytes(), version.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hex_128(&hasher))
    }

    /// The id of a compacted file, or of what is left of a purged day, by its path.
    #[must_use]
    pub fn of_compacted(path: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 compacted file id");
        Self(hex_128(hasher.update(path.as_bytes())))
    }

    /// The mark that an erasure leaves among a day's leaves: what was built before it is of other
    /// leaves. `attempt` names the erasure's run.
    #[must_use]
    pub fn of_erasure(attempt: &str, day: Day) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 erasure mark");
        hasher.update(&day.epoch_days().to_le_bytes());
        Self(hex_128(hasher.update(attempt.as_bytes())))
    }

    /// The id that a text is, if it looks like one.
    #[must_use]
    pub fn parse(stem: &str) -> Option<Self> {
        let hex = stem.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (stem.len() == 32 && hex).then(|| Self(stem.to_owned()))
    }

    /// The id in hex.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeafId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 128 bits of a hash, in hex.
pub(super) fn hex_128(hasher: &blake3::Hasher) -> String {
    let mut hex = hasher.finalize().to_hex().to_string();
    hex.truncate(32);
    hex
}

#[cfg(test)]
mod tests {
    use super::{super::ContentHasher, *};

    #[test]
    fn each_batch_day_and_part_has_its_own_id() {
        let (a, b) = (BatchId::try_new("a").unwrap(), BatchId::try_new("b").unwrap());
        let day = Day::from_epoch_days(20_000);
        let content = ContentHasher::default().finish();
        let other = ContentHash { rows: 1, ..content.clone() };
        let ids = [
            LeafId::of(&a, 0, (day, 0), &content, 0),
            LeafId::of(&a, 0, (day, 1), &content, 0),
            LeafId::of(&a, 0, (day.plus(1), 0), &content, 0),
            LeafId::of(&a, 1, (day, 0), &content, 0),
            LeafId::of(&a, 0, (day, 0), &content, 1),
            LeafId::of(&b, 0, (day, 0), &content, 0),
            LeafId::of(&a, 0, (day, 0), &other, 0),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(LeafId::parse(id.as_str()).as_ref(), Some(id));
            assert!(ids.iter().skip(at + 1).all(|other| other != id));
        }
    }

    #[test]
    fn ids_are_a_format_and_never_change() {
        let batch = BatchId::try_new("2026-01-24T01").unwrap();
        let content = ContentHasher::default().finish();
        let id = LeafId::of(&batch, 0, ("2026-01-24".parse().unwrap(), 0), &content, 0);
        assert_eq!(id.as_str(), "4713fb52d8e82967f3c21e3923036e97");
    }
}
