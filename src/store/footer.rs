//! What every Parquet file of ours says of itself, in its footer under the key `tallybook`.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::async_reader::MetadataFetch,
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::{ParquetMetaData, ParquetMetaDataReader},
};
use serde::{Deserialize, Serialize};

use super::{FileDigest, Root, kept::name_of, store_error};
use crate::{
    base::{Day, Error, Result},
    model::{ContentHash, Fingerprint, LeafId, Rollup},
};

/// The footer key.
pub(super) const FOOTER_KEY: &str = "tallybook";

/// A file's own account of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileFooter {
    /// The format of this account.
    pub format: u32,
    /// The bytes before the footer, and their hash.
    pub body: FileDigest,
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

/// A compacted file's account. Which leaves the rows came as, the day's manifest says.
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
    /// Its rows, whatever their order.
    pub content: ContentHash,
    /// The run of `append` that wrote it; a retry has another.
    pub attempt: String,
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

/// A file's Parquet metadata.
///
/// # Errors
/// `Corrupt`, naming the file, when it isn't whole Parquet; or what the store says.
pub(crate) async fn read_metadata(root: &Root, meta: &ObjectMeta) -> Result<Arc<ParquetMetaData>> {
    let read = ParquetMetaDataReader::new()
        .with_prefetch_hint(Some(16 << 10))
        .load_and_finish(Tail { root, path: &meta.location }, meta.size)
        .await;
    read.map(Arc::new).map_err(|error| parquet_error(&root.full_name(&meta.location), error))
}

/// What a listed file says of itself, read once.
///
/// # Errors
/// As [`read_metadata`]; `Corrupt` when the file isn't one of ours.
pub(crate) async fn read_account(root: &Root, file: &ObjectMeta) -> Result<FileFooter> {
    let name = root.full_name(&file.location);
    let kept_as = name_of(file);
    let text = root.kept().find_or(&kept_as, async {
        let metadata = read_metadata(root, file).await?;
        let text = account_text(&metadata).map_err(|error| error.about(&name))?;
        Ok(Bytes::from(text.to_owned()))
    });
    FileFooter::parse(&text.await?).map_err(|error| error.about(&name))
}

/// What the file at that path says of itself. `Ok(None)` when there is no such file.
///
/// # Errors
/// As [`read_metadata`]; `Corrupt` when the file isn't one of ours.
pub(crate) async fn read_footer(root: &Root, path: &Path) -> Result<Option<FileFooter>> {
    let Some(meta) = root.look(path).await? else { return Ok(None) };
    let metadata = read_metadata(root, &meta).await?;
    FileFooter::of(&metadata).map(Some).map_err(|error| error.about(root.full_name(path)))
}

/// The first `bytes` of a file.
///
/// # Errors
/// `Corrupt` when the file is shorter; or what the store says.
pub(crate) async fn read_body(root: &Root, path: &Path, bytes: u64) -> Result<Bytes> {
    let read = root.store().get_range(path, 0..bytes).await;
    let body = read.map_err(|error| store_error(&root.full_name(path), error))?;
    if (body.len() as u64) < bytes {
        return Err(Error::corrupt(format!("{}: cut short", root.full_name(path))));
    }
    Ok(body)
}

impl FileFooter {
    /// Reads the account out of a file's metadata.
    ///
    /// # Errors
    /// `Corrupt` when there is none or it can't be read.
    pub(crate) fn of(metadata: &ParquetMetaData) -> Result<Self> {
        Self::parse(account_text(metadata)?.as_bytes())
    }

    fn parse(text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text)
            .map_err(|error| Error::corrupt(format!("its footer: {error}")).with_source(error))
    }

    /// The leaf's account, if it is one.
    #[must_use]
    pub(crate) const fn leaf(&self) -> Option<&LeafFooter> {
        match &self.kind {
            FileKind::Leaf(leaf) => Some(leaf),
            FileKind::Segment(_) | FileKind::Compacted(_) | FileKind::Month(_) => None,
        }
    }

    /// The raw rows of a file, whatever their order; none of a segment.
    #[must_use]
    pub(crate) const fn content(&self) -> Option<&ContentHash> {
        match &self.kind {
            FileKind::Leaf(leaf) => Some(&leaf.content),
            FileKind::Compacted(compacted) => Some(&compacted.content),
            FileKind::Segment(_) | FileKind::Month(_) => None,
        }
    }

    /// The segment's account, if it is one.
    #[must_use]
    pub(crate) const fn segment(&self) -> Option<&SegmentFooter> {
        match &self.kind {
            FileKind::Segment(segment) => Some(segment),
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
            rollup: rollup.name().to_owned(),
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

fn account_text(metadata: &ParquetMetaData) -> Result<&str> {
    let pairs = metadata.file_metadata().key_value_metadata();
    pairs
        .into_iter()
        .flatten()
        .find(|pair| pair.key == FOOTER_KEY)
        .and_then(|pair| pair.value.as_deref())
        .ok_or_else(|| Error::corrupt("not a file that tallybook wrote"))
}

/// Fetches the ranges that a footer is in.
struct Tail<'a> {
    root: &'a Root,
    path: &'a Path,
}

impl MetadataFetch for Tail<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        let (store, path) = (self.root.store(), self.path.clone());
        async move {
            let read = store.get_range(&path, range).await;
            read.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }
}

fn parquet_error(subject: &str, error: ParquetError) -> Error {
    let source = match error {
        ParquetError::External(source) => match source.downcast::<object_store::Error>() {
            Ok(store) => return store_error(subject, *store),
            Err(source) => ParquetError::External(source),
        },
        other => other,
    };
    Error::corrupt(format!("{subject}: not a whole Parquet file: {source}")).with_source(source)
}
