//! The footer metadata of Tallybook's Parquet files: JSON under the footer key `tallybook`.

use object_store::path::Path;
use parquet::file::metadata::ParquetMetaData;
use serde::{Deserialize, Serialize};

use super::footer_kinds::{
    CompactedFooter, LeafFooter, MonthFooter, RemainsFooter, SegmentFooter, SetFooter,
};
use crate::{
    base::{Error, Result},
    model::{ContentHash, EventProof},
    store::{
        BlockHashes, FileDigest,
        layout::{compacted_name, file_name, remains_name},
        list::raw_name::RawName,
    },
};

/// The footer key of the metadata.
pub(crate) const FOOTER_KEY: &str = "tallybook";

/// The newest file format that this program reads, and the format that this program writes.
pub(crate) const FILE_FORMAT: u32 = 2;

/// The first file format whose files have a checksum.
pub(crate) const FIRST_WITH_CHECKSUM: u32 = 2;

/// A file's footer metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFooter {
    /// The format of the file.
    pub format: u32,
    /// The length and the BLAKE3 of the bytes before the page index.
    pub body: FileDigest,
    /// The hashes of the blocks of the bytes before the page index.
    #[serde(default, skip_serializing_if = "BlockHashes::is_empty")]
    pub blocks: BlockHashes,
    /// The content of the file.
    pub kind: FileKind,
}

/// The content of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    /// Raw rows, as appended.
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

impl FileFooter {
    /// Parses the footer metadata in a file's Parquet metadata.
    ///
    /// # Errors
    /// `Corrupt` when there is no footer metadata or it can't be parsed; `Invalid` when it has a
    /// newer format.
    pub(crate) fn of(metadata: &ParquetMetaData) -> Result<Self> {
        Self::parse(footer_text(metadata)?.as_bytes())
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

    /// Whether the file may be at `location`, by its name and its folder. Always true in `raw/`
    /// for a name of another tool's file, because a copy under such a name is another tool's
    /// file.
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

    /// The leaf's footer metadata, if the file is a leaf.
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

    /// The hash of the file's raw rows. `None` for files of a rollup.
    #[must_use]
    pub(crate) const fn content(&self) -> Option<&ContentHash> {
        match &self.kind {
            FileKind::Leaf(leaf) => Some(&leaf.content),
            FileKind::Compacted(compacted) => Some(&compacted.content),
            FileKind::Segment(_) | FileKind::Remains(_) | FileKind::Month(_) => None,
        }
    }

    /// What is proven about the events in the file, if anything is.
    #[must_use]
    pub(crate) const fn events(&self) -> Option<&EventProof> {
        match &self.kind {
            FileKind::Leaf(leaf) => leaf.events.as_ref(),
            FileKind::Compacted(compacted) => compacted.events.as_ref(),
            FileKind::Segment(_) | FileKind::Remains(_) | FileKind::Month(_) => None,
        }
    }

    /// The segment's footer metadata, if the file is a segment of one day.
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

    /// The number of a compacted file or of remains in their set, from 0. `None` for other files.
    #[must_use]
    pub(crate) const fn part(&self) -> Option<usize> {
        match &self.kind {
            FileKind::Compacted(compacted) => Some(compacted.part),
            FileKind::Remains(remains) => Some(remains.part),
            FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// The facts common to the file's set, if the file is the last of the set.
    #[must_use]
    pub(crate) const fn set(&self) -> Option<&SetFooter> {
        match &self.kind {
            FileKind::Compacted(compacted) => compacted.set.as_ref(),
            FileKind::Remains(remains) => remains.set.as_ref(),
            FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// The number of rows of a compacted file or of remains. `None` for other files.
    #[must_use]
    pub(crate) const fn rows(&self) -> Option<u64> {
        match &self.kind {
            FileKind::Compacted(compacted) => Some(compacted.content.rows),
            FileKind::Remains(remains) => Some(remains.rows_out),
            FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// The number of raw rows that a day's segment or remains were built from. `None` for other
    /// files.
    #[must_use]
    pub(crate) const fn rows_in(&self) -> Option<u64> {
        match &self.kind {
            FileKind::Segment(segment) => Some(segment.rows_in),
            FileKind::Remains(remains) => Some(remains.rows_in),
            FileKind::Leaf(_) | FileKind::Compacted(_) | FileKind::Month(_) => None,
        }
    }
}

pub(crate) fn footer_text(metadata: &ParquetMetaData) -> Result<&str> {
    let pairs = metadata.file_metadata().key_value_metadata();
    pairs
        .into_iter()
        .flatten()
        .find(|pair| pair.key == FOOTER_KEY)
        .and_then(|pair| pair.value.as_deref())
        .ok_or_else(|| Error::corrupt("not a file that tallybook wrote"))
}
