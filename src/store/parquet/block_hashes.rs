//! Hashes of the blocks of a file's rows. The footer metadata holds a hash for each block, so a
//! reader of a part of a file can check that its bytes are the bytes that were written.
//!
//! Most numbers are stored without compression, so a flipped bit in a number would decode as
//! another number. A hash is 64 bits of XXH3. Such a hash detects bit rot, and doesn't protect
//! against an attacker.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// The bytes per block. A file of 20 MB has 320 hashes, which take 5 KB of its footer. A reader
/// of a range reads at most one block more at each end.
const BLOCK: usize = 64 << 10;

/// Hex digits of a hash.
const DIGITS: usize = 16;

/// The hashes of a file's blocks, from the file's first byte to the end of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct BlockHashes(Vec<u64>);

impl BlockHashes {
    /// Whether there are no hashes. Files of format 1 have none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Extends a range of bytes to whole blocks, in a file whose rows end at `end`.
    #[must_use]
    pub(crate) fn around(range: &Range<u64>, end: u64) -> Range<u64> {
        let block = BLOCK as u64;
        let start = range.start / block * block;
        start..(range.end.div_ceil(block) * block).min(end.max(range.end))
    }

    /// Whether `bytes`, which begin with a whole block at `start`, match the hashes.
    #[must_use]
    pub(crate) fn are(&self, start: u64, bytes: &[u8]) -> bool {
        let Ok(first) = usize::try_from(start / BLOCK as u64) else { return false };
        let known = self.0.get(first..).unwrap_or_default();
        let found = bytes.chunks(BLOCK).map(hash);
        bytes.len().div_ceil(BLOCK) <= known.len()
            && found.zip(known).all(|(found, known)| found == *known)
    }
}

impl From<BlockHashes> for String {
    fn from(hashes: BlockHashes) -> Self {
        let digits = hashes.0.iter().map(|hash| format!("{hash:016x}"));
        digits.collect::<Vec<_>>().concat()
    }
}

impl TryFrom<String> for BlockHashes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "hashes of blocks are 16 hexadecimal digits each";
        let digits = text.as_bytes().chunks(DIGITS);
        let hashes = digits.map(|digits| {
            let digits = std::str::from_utf8(digits).ok().filter(|it| it.len() == DIGITS);
            digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(WRONG)
        });
        hashes.collect::<Result<_, _>>().map(Self)
    }
}

/// Hashes the blocks of a file while the file is written.
#[derive(Debug, Default)]
pub(crate) struct BlockHasher {
    done: Vec<u64>,
    block: Vec<u8>,
}

impl BlockHasher {
    /// Adds the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = BLOCK - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.done.push(hash(&self.block));
                self.block.clear();
            }
        }
    }

    /// The hashes of all blocks so far. The last block may be short.
    pub(crate) fn finish(&self) -> BlockHashes {
        let last = (!self.block.is_empty()).then(|| hash(&self.block));
        BlockHashes(self.done.iter().copied().chain(last).collect())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of the hash is the hash")]
fn hash(block: &[u8]) -> u64 {
    XxHash3_128::oneshot(block) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flipped_byte_is_found_in_any_range() {
        let content: Vec<u8> = (0..=250).cycle().take(BLOCK * 2 + 1000).collect();
        let end = content.len();
        let mut hasher = BlockHasher::default();
        content.chunks(777).for_each(|bytes| hasher.update(bytes));
        let blocks = BlockHashes::try_from(String::from(hasher.finish())).unwrap();
        for (from, to) in [(0, 1), (0, end), (5, BLOCK), (BLOCK, BLOCK + 1), (end - 1, end)] {
            let around = BlockHashes::around(&(from as u64..to as u64), end as u64);
            let start = usize::try_from(around.start).unwrap();
            assert!(start <= from && around.end >= to as u64);
            let mut read = content[start..usize::try_from(around.end).unwrap()].to_vec();
            assert!(blocks.are(around.start, &read), "{from}..{to}");
            read[from - start] ^= 1;
            assert!(!blocks.are(around.start, &read), "{from}..{to}");
            read[from - start] ^= 1;
            read.pop();
            assert!(!blocks.are(around.start, &read), "{from}..{to} is cut");
        }
        assert!(!blocks.are(BLOCK as u64 * 3, &[0]), "there is no such block");
    }

    #[test]
    fn wrong_texts_are_no_hashes() {
        for wrong in ["0", "00000000000000zz", "00000000000000000", "ééééééééé"] {
            assert!(BlockHashes::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(BlockHashes::try_from(String::new()).unwrap().is_empty());
    }
}
