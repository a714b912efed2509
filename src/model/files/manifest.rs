//! The manifest of a day: which leaves' rows are in which files after compaction, erasure or
//! purge.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ContentHash, Fingerprint, LeafId, with_hash, without_hash};
use crate::base::{Day, Error, Result};

/// The manifest format that this program writes, and the newest one that it reads.
pub(crate) const MANIFEST_FORMAT: u32 = 2;

/// The text before the hash in a manifest's last line.
const HASH: &str = "blake3 ";

/// The text before the hash in a manifest of format 1.
const HASH_OF_FORMAT_1: &str = "{\"blake3\":\"";

/// One generation of a day: the files that hold the day's raw rows. The newest generation counts.
/// Loose leaves that it doesn't list are read beside its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The format of this file.
    pub format: u32,
    /// Counted from 1. Each generation is created once, by the writer that creates its manifest
    /// first.
    pub generation: u32,
    /// The day's UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The run that wrote the manifest. Its files have this attempt in their names. Exception: a
    /// manifest that closes a generation names the files of the generation before.
    pub attempt: String,
    /// The BLAKE3 hash in the last line of the manifest before it; `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// Whether the raw rows still exist.
    pub state: ManifestState,
    /// The leaves whose rows this manifest accounts for, sorted by id. They stay for good: a leaf
    /// that is created again after its absorption counts nothing.
    pub absorbed: Vec<Absorbed>,
    /// A mark for each erasure, sorted. It makes sure that a hint built before the erasure is
    /// never current again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<LeafId>,
    /// The files that hold the rows; none for a purged day.
    pub files: Vec<ManifestFile>,
    /// The hash of the rows of all files; for a purged day, of the rows that were purged.
    pub content: ContentHash,
    /// The remains of a purged day: one file for each rollup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remains: Vec<Remains>,
    /// The texts of the dataset definitions that `remains` refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<String>,
    /// The BLAKE3 hash in the file's last line; empty before the file is written.
    #[serde(skip)]
    pub hash: String,
    /// The ids of `absorbed` and `marks`, sorted.
    #[serde(skip)]
    pub ids: Vec<LeafId>,
}

/// Whether a day's raw rows still exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ManifestState {
    /// The rows are in the files.
    Open,
    /// The raw rows were purged. Only the rollups' remains are left.
    Purged,
}

/// A leaf whose rows a manifest accounts for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absorbed {
    /// The leaf's id.
    pub id: LeafId,
    /// The leaf's rows; `None` when a manifest of format 1 accounted for the leaf first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentHash>,
    /// Whether the leaf is a void: a file without rows that prevents the use of a name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
    /// The file, if another tool wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<ForeignFile>,
}

/// A file of another tool, identified by its name and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForeignFile {
    /// The name in the day's folder.
    pub name: String,
    /// The size, in bytes.
    pub bytes: u64,
    /// The BLAKE3 hash of all of the file's bytes.
    pub blake3: String,
}

/// A file that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    /// The name in the day's folder. For remains of a purge in format 1: the path of a segment,
    /// from the root.
    pub name: String,
    /// The size, in bytes; 0 when a manifest of format 1 doesn't give it.
    pub bytes: u64,
    /// The number of rows; 0 when a manifest of format 1 doesn't give it.
    pub rows: u64,
    /// The BLAKE3 hash of all of the file's bytes; empty when a manifest of format 1 doesn't give
    /// it.
    #[serde(default)]
    pub blake3: String,
}

/// The remains of a purged day for one rollup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remains {
    /// The file.
    #[serde(flatten)]
    pub file: ManifestFile,
    /// The rollup's name in its definition.
    pub rollup: String,
    /// The hash of the rollup's definition.
    pub hash: String,
    /// The index of the dataset's definition in the manifest's `definitions`.
    pub definition: usize,
}

/// A manifest of format 1. Of leaves it has only the ids. For a purged day it has the segments
/// that answer.
#[derive(Deserialize)]
struct Format1 {
    generation: u32,
    date: String,
    attempt: String,
    state: ManifestState,
    leaves: Vec<LeafId>,
    files: Vec<ManifestFile>,
    content: ContentHash,
    #[serde(default)]
    segments: Vec<String>,
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl Manifest {
    /// The manifest as a file: a line of JSON, then a line with the BLAKE3 hash of the first.
    ///
    /// # Errors
    /// `Internal` when the manifest can't be written as JSON.
    pub(crate) fn to_file(&self) -> Result<Vec<u8>> {
        let line = serde_json::to_string(self)
            .map_err(|error| Error::internal("manifest").with_source(error))?;
        Ok(with_hash(&line, HASH).into_bytes())
    }

    /// Parses the manifest of that day and generation.
    ///
    /// # Errors
    /// `Corrupt` when the bytes aren't that manifest or aren't as they were written; `Invalid`
    /// when they are in a newer format.
    pub(crate) fn parse(bytes: &[u8], day: Day, generation: u32) -> Result<Self> {
        // In format 1 the last line is a JSON object that holds the hash. Without the object's
        // closing, `without_hash` can read the file.
        let first = bytes.strip_suffix(b"\"}\n").map(|bytes| [bytes, b"\n"].concat());
        let (line, hash) = match &first {
            Some(first) => without_hash(first, HASH_OF_FORMAT_1)?,
            None => without_hash(bytes, HASH)?,
        };
        let wrong = |error| Error::corrupt(format!("not a manifest: {error}"));
        let FormatOnly { format } = serde_json::from_str(line).map_err(wrong)?;
        let mut found: Self = match format {
            1 => serde_json::from_str::<Format1>(line).map_err(wrong)?.into(),
            MANIFEST_FORMAT => serde_json::from_str(line).map_err(wrong)?,
            newer => {
                return Err(Error::invalid(format!(
                    "manifest format {newer} is newer than this program's, {MANIFEST_FORMAT}; use \
                     a newer tallybook"
                )));
            }
        };
        if found.generation != generation || found.date != day.to_string() {
            return Err(Error::corrupt("it is another manifest than its name says"));
        }
        hash.clone_into(&mut found.hash);
        found.ids = found.all_ids();
        Ok(found)
    }

    /// The fingerprint of the leaves that the manifest accounts for.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.all_ids())
    }

    /// The entry of that leaf, if the manifest accounts for the leaf.
    #[must_use]
    pub(crate) fn absorbed(&self, leaf: &LeafId) -> Option<&Absorbed> {
        let at = self.absorbed.binary_search_by(|absorbed| absorbed.id.cmp(leaf)).ok()?;
        self.absorbed.get(at)
    }

    /// The files of other tools that the manifest accounts for.
    pub(crate) fn foreign(&self) -> impl Iterator<Item = (&LeafId, &ForeignFile)> {
        let absorbed = self.absorbed.iter();
        absorbed.filter_map(|absorbed| Some((&absorbed.id, absorbed.foreign.as_ref()?)))
    }

    fn all_ids(&self) -> Vec<LeafId> {
        let absorbed = self.absorbed.iter().map(|absorbed| absorbed.id.clone());
        sorted_ids(absorbed.chain(self.marks.iter().cloned()))
    }
}

impl From<Format1> for Manifest {
    fn from(found: Format1) -> Self {
        let absorbed = |id| Absorbed { id, content: None, void: false, foreign: None };
        let remains = found.segments.iter().filter_map(|path| {
            // rollups/<name>/<definition hash>/date=…/<fingerprint>.parquet
            let mut folders = path.split('/').skip(1);
            let (rollup, hash) = (folders.next()?.to_owned(), folders.next()?.to_owned());
            let (bytes, rows, blake3) = (0, 0, String::new());
            let file = ManifestFile { name: path.clone(), bytes, rows, blake3 };
            Some(Remains { file, rollup, hash, definition: 0 })
        });
        Self {
            format: 1,
            generation: found.generation,
            date: found.date,
            attempt: found.attempt,
            previous: None,
            state: found.state,
            remains: remains.collect(),
            absorbed: found.leaves.into_iter().map(absorbed).collect(),
            marks: Vec::new(),
            files: found.files,
            content: found.content,
            definitions: Vec::new(),
            hash: String::new(),
            ids: Vec::new(),
        }
    }
}

/// The ids, each once, in order.
pub(crate) fn sorted_ids(ids: impl IntoIterator<Item = LeafId>) -> Vec<LeafId> {
    ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BatchId, ContentHasher};

    fn leaf(part: u32) -> LeafId {
        let day: Day = "2026-01-24".parse().unwrap();
        let content = ContentHasher::default().finish();
        LeafId::of(&BatchId::try_new("b").unwrap(), 0, (day, part), &content, 0)
    }

    fn manifest() -> Manifest {
        let content = ContentHasher::default().finish();
        let absorbed = sorted_ids((0..3).map(leaf)).into_iter().map(|id| Absorbed {
            id,
            content: Some(content.clone()),
            void: false,
            foreign: None,
        });
        let mut written = Manifest {
            format: MANIFEST_FORMAT,
            generation: 3,
            date: "2026-01-24".to_owned(),
            attempt: "0123456789abcdef".to_owned(),
            previous: Some("ab".to_owned()),
            state: ManifestState::Open,
            absorbed: absorbed.collect(),
            marks: vec![leaf(7)],
            files: vec![ManifestFile {
                name: "C2-00000003-0123456789abcdef-0000.parquet".to_owned(),
                bytes: 9,
                rows: 2,
                blake3: "cd".to_owned(),
            }],
            content,
            remains: Vec::new(),
            definitions: Vec::new(),
            hash: String::new(),
            ids: Vec::new(),
        };
        written.ids = written.all_ids();
        written
    }

    #[test]
    fn manifests_read_back_and_know_their_leaves() {
        let (written, day) = (manifest(), "2026-01-24".parse().unwrap());
        let bytes = written.to_file().unwrap();
        let read = Manifest::parse(&bytes, day, 3).unwrap();
        assert_eq!(Manifest { hash: String::new(), ..read.clone() }, written);
        assert!(bytes.ends_with(format!("{HASH}{}\n", read.hash).as_bytes()));
        assert!(read.absorbed(&leaf(2)).is_some());
        assert!(read.absorbed(&leaf(3)).is_none());
        assert_eq!(read.ids.len(), 4);
    }

    #[test]
    fn manifests_of_format_1_are_read() {
        let (day, id) = ("2026-01-24".parse().unwrap(), leaf(0));
        let path = "rollups/by_who/0011223344556677/date=2026-01-24/ab.parquet";
        let line = format!(
            r#"{{"format":1,"generation":2,"date":"2026-01-24","attempt":"a","state":"purged","leaves":["{id}"],"files":[],"content":{{"rows":3,"sum":"x1-00"}},"segments":["{path}"]}}"#
        );
        let hash = blake3::hash(line.as_bytes()).to_hex();
        let file = format!("{line}\n{HASH_OF_FORMAT_1}{hash}\"}}\n");
        let read = Manifest::parse(file.as_bytes(), day, 2).unwrap();
        assert!(read.absorbed(&id).is_some());
        let [remains] = read.remains.as_slice() else { panic!("{read:?}") };
        assert_eq!(
            (remains.rollup.as_str(), remains.hash.as_str()),
            ("by_who", "0011223344556677")
        );
        assert_eq!(remains.file.name, path);
    }

    #[test]
    fn another_manifest_than_the_name_says_is_refused() {
        let day: Day = "2026-01-24".parse().unwrap();
        let bytes = manifest().to_file().unwrap();
        assert!(Manifest::parse(&bytes, day, 2).is_err());
        assert!(Manifest::parse(&bytes, day.plus(1), 3).is_err());
        assert!(Manifest::parse(&bytes[1..], day, 3).is_err());
        let newer = Manifest { format: 3, ..manifest() }.to_file().unwrap();
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
