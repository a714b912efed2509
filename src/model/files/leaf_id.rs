//! The ids of batches and of raw files.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ContentHash;
use crate::base::{Day, Error, Result};

/// The id of one append. An append with an id that was used before is the same append again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(String);

impl BatchId {
    /// An id that the caller chose.
    ///
    /// # Errors
    /// `Invalid` when the id is empty or longer than 512 bytes.
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

/// The id of one immutable raw file: 128 bits in hex, which are part of the file's name.
///
/// The id of a file that Tallybook appended is
/// `BLAKE3(batch id, claim, date, part, attempt, content)`. The content alone would not do: two
/// honest identical batches must both count. The content is the order-independent hash of the rows
/// as claimed. So one batch that is encoded twice counts once. And files built from a batch are
/// never mistaken for files that another root built from a batch with the same id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafId(String);

impl LeafId {
    /// The id of one leaf of a batch: part `part` of the rows for `day`, under claim number
    /// `claim`. `content` is the hash of the leaf's rows as claimed. `attempt` is 0. When an
    /// erasure takes the leaf's name, the next attempt is one more.
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

    /// The id of a file that another tool wrote, from its path, size and version.
    #[must_use]
    pub fn of_foreign(path: &str, size: u64, version: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 foreign leaf id");
        for part in [path.as_bytes(), &size.to_le_bytes(), version.as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hex_128(&hasher))
    }

    /// The id of a compacted file, or of the entry for a day's purged rows, from its path.
    #[must_use]
    pub fn of_compacted(path: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 compacted file id");
        Self(hex_128(hasher.update(path.as_bytes())))
    }

    /// The mark that an erasure adds to the leaf ids of a day. Hints built before the erasure lack
    /// the mark, so they are never current again. `attempt` names the erasure's run.
    #[must_use]
    pub fn of_change(attempt: &str, day: Day) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("tallybook 2026 erasure mark");
        hasher.update(&day.epoch_days().to_le_bytes());
        Self(hex_128(hasher.update(attempt.as_bytes())))
    }

    /// The id in a text that looks like one: 32 hex digits in lower case.
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
