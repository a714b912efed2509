//! A day's manifest: which leaves' rows are in which files, after compaction, erasure or purge.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ContentHash, Fingerprint, LeafId};
use crate::base::{Day, Error, Result};

/// The newest manifest format that this program reads, and the one it writes.
pub(crate) const MANIFEST_FORMAT: u32 = 1;

/// What a day's raw rows are in, by one generation. The newest generation counts; the loose leaves
/// that it doesn't list are read beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The format of this account.
    pub format: u32,
    /// Counted from 1. Each generation is created once, by whoever comes first.
    pub generation: u32,
    /// The UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The run that wrote it, and whose name its files bear.
    pub attempt: String,
    /// Whether the rows are still there.
    pub state: ManifestState,
    /// The leaves whose rows are accounted for here, sorted; and a mark for each erasure, so that
    /// what was built before it is of other leaves. Ids stay for good: a late retry is recognised.
    pub leaves: Vec<LeafId>,
    /// The files that hold the rows.
    pub files: Vec<ManifestFile>,
    /// The rows of all files; of a purged day those that there were.
    pub content: ContentHash,
    /// Of a purged day: the segments that answer in place of the rows, by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
}

/// Whether a day's rows are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ManifestState {
    /// In the files.
    Open,
    /// Only what rollups made of them is left.
    Purged,
}

/// A file that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    /// Its name in the day's folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
}

impl Manifest {
    /// The manifest as a file: a line of JSON, and one with its BLAKE3.
    ///
    /// # Errors
    /// `Internal` when it can't be JSON.
    pub(crate) fn to_file(&self) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)
            .map_err(|error| Error::internal("manifest").with_source(error))?;
        let seal = seal_of(&line);
        line.push(b'\n');
        line.extend(seal.as_bytes());
        Ok(line)
    }

    /// Reads a manifest of that day and generation.
    ///
    /// # Errors
    /// `Corrupt` when it isn't one, or not as it was written; `Invalid` when it is in a newer
    /// format.
    pub(crate) fn parse(bytes: &[u8], day: Day, generation: u32) -> Result<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let lines = end.and_then(|end| Some((bytes.get(..end)?, bytes.get(end + 1..)?)));
        let (line, seal) = lines.ok_or_else(|| Error::corrupt("not a whole manifest"))?;
        if seal != seal_of(line).as_bytes() {
            return Err(Error::corrupt("its bytes are not those it was written with"));
        }
        let found: Self = serde_json::from_slice(line)
            .map_err(|error| Error::corrupt(format!("not a manifest: {error}")))?;
        if found.format > MANIFEST_FORMAT {
            return Err(Error::invalid(format!(
                "manifest format {} is newer than this program's, {MANIFEST_FORMAT}; use a newer \
                 tallybook",
                found.format
            )));
        }
        if found.generation != generation || found.date != day.to_string() {
            return Err(Error::corrupt("it is another manifest than its name says"));
        }
        Ok(found)
    }

    /// The fingerprint of its leaves.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.leaves)
    }

    /// Whether that leaf's rows are accounted for here.
    #[must_use]
    pub(crate) fn absorbs(&self, leaf: &LeafId) -> bool {
        self.leaves.binary_search(leaf).is_ok()
    }
}

fn seal_of(line: &[u8]) -> String {
    format!("{{\"blake3\":\"{}\"}}\n", blake3::hash(line).to_hex())
}

/// Those ids, each once, in order.
pub(crate) fn sorted_ids(ids: impl IntoIterator<Item = LeafId>) -> Vec<LeafId> {
    ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BatchId, ContentHasher};

    fn manifest() -> Manifest {
        let day: Day = "2026-01-24".parse().unwrap();
        let batch = BatchId::try_new("b").unwrap();
        Manifest {
            format: MANIFEST_FORMAT,
            generation: 3,
            date: day.to_string(),
            attempt: "0123456789abcdef".to_owned(),
            state: ManifestState::Open,
            leaves: sorted_ids((0..3).map(|part| LeafId::of(&batch, day, part))),
            files: vec![ManifestFile {
                name: "c-00000003-0123456789abcdef-0000.parquet".to_owned(),
                bytes: 9,
                rows: 2,
            }],
            content: ContentHasher::default().finish(),
            segments: Vec::new(),
        }
    }

    #[test]
    fn manifests_read_back_and_know_their_leaves() {
        let (written, day) = (manifest(), "2026-01-24".parse().unwrap());
        let bytes = written.to_file().unwrap();
        let read = Manifest::parse(&bytes, day, 3).unwrap();
        assert_eq!(read, written);
        let batch = BatchId::try_new("b").unwrap();
        assert!(read.absorbs(&LeafId::of(&batch, day, 2)));
        assert!(!read.absorbs(&LeafId::of(&batch, day, 3)));
    }

    #[test]
    fn another_manifest_than_the_name_says_is_refused() {
        let day: Day = "2026-01-24".parse().unwrap();
        let bytes = manifest().to_file().unwrap();
        assert!(Manifest::parse(&bytes, day, 2).is_err());
        assert!(Manifest::parse(&bytes, day.plus(1), 3).is_err());
        assert!(Manifest::parse(&bytes[1..], day, 3).is_err());
        let newer = Manifest { format: 2, ..manifest() }.to_file().unwrap();
        let error = Manifest::parse(&newer, day, 3).unwrap_err().to_string();
        assert!(error.contains("newer"), "{error}");
    }

    #[test]
    fn a_bit_that_flips_anywhere_is_found() {
        let day: Day = "2026-01-24".parse().unwrap();
        let bytes = manifest().to_file().unwrap();
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(Manifest::parse(&flipped, day, 3).is_err(), "bit {at}");
        }
        for length in 0..bytes.len() {
            assert!(Manifest::parse(&bytes[..length], day, 3).is_err(), "{length} bytes");
        }
    }
}
