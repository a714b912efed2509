//! Reading footers: a file's Parquet metadata, and the footer metadata in it.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::async_reader::MetadataFetch,
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
};

use super::checksum;
use crate::{
    base::{Error, ErrorKind, Result},
    store::{
        FileFooter, Root,
        cache::metadata::name_of,
        list::raw_name::is_named_ours,
        parquet::footer::{FIRST_WITH_CHECKSUM, footer_text},
        read_error,
    },
};

/// A file's Parquet metadata, checked against the checksum if the file has one. The page index is
/// not read.
///
/// # Errors
/// `Corrupt`, with the file's name, when the file isn't whole Parquet, doesn't match its
/// checksum, isn't the file that its name says, or has one of our names and no footer metadata;
/// `Invalid` when the footer metadata has a newer format; any error from the store.
pub(crate) async fn read_metadata(root: &Root, meta: &ObjectMeta) -> Result<Arc<ParquetMetaData>> {
    read_checked(root, meta, PageIndexPolicy::Skip).await
}

/// A file's Parquet metadata with the page index, which lets a scan skip pages. Checked as by
/// [`read_metadata`].
///
/// # Errors
/// See [`read_metadata`].
pub(crate) async fn read_metadata_and_index(
    root: &Root,
    meta: &ObjectMeta,
) -> Result<Arc<ParquetMetaData>> {
    read_checked(root, meta, PageIndexPolicy::Optional).await
}

async fn read_checked(
    root: &Root,
    meta: &ObjectMeta,
    index: PageIndexPolicy,
) -> Result<Arc<ParquetMetaData>> {
    let name = || root.full_name(&meta.location);
    let mut tail = Tail { root, path: &meta.location, fetched: Vec::new() };
    let read = ParquetMetaDataReader::new()
        .with_prefetch_hint(Some(16 << 10))
        .with_page_index_policy(index)
        .load_and_finish(&mut tail, meta.size)
        .await;
    let metadata = read.map_err(|error| parquet_error(&name(), error))?;
    let damaged = || Error::corrupt(format!("{}: {DAMAGED}", name()));
    let own = OwnFooter::of(&metadata).map_err(|error| error.about(name()))?;
    if own.is_none() && is_named_ours(&meta.location) {
        return Err(Error::corrupt(format!("{}: {NO_FOOTER}", name())));
    }
    let Some(OwnFooter { footer, checksum: Some(checksum) }) = own else {
        return Ok(Arc::new(metadata));
    };
    if !footer.is_at(&meta.location) {
        return Err(Error::corrupt(format!("{}: {ANOTHER}", name())));
    }
    let ending = tail.bytes(meta.size.saturating_sub(checksum::ENDING)..meta.size).await?;
    let length = checksum::footer_length(&ending).filter(|length| *length <= meta.size);
    let footer_at = meta.size - length.ok_or_else(damaged)?;
    let footer_bytes = tail.bytes(footer_at..meta.size).await?;
    let mut is_whole = checksum::is_footer(&checksum, &footer_bytes);
    if is_whole && index != PageIndexPolicy::Skip {
        let rows = footer.body.bytes;
        let index = tail.bytes(rows..footer_at.max(rows)).await?;
        is_whole = checksum::is_index(&checksum, &index);
    }
    if is_whole { Ok(Arc::new(metadata)) } else { Err(damaged()) }
}

/// The message for a file that doesn't match its checksum.
pub(crate) const DAMAGED: &str = "its bytes are not those it was written with";

/// The message for a file of another tool with a name that only our files have.
pub(crate) const NO_FOOTER: &str = "has the name of a file of ours, and has no footer of ours";

/// The message for a file that matches its checksum but not its name.
pub(crate) const ANOTHER: &str = "is not the file that its name says";

/// The footer metadata and the checksum of a file of ours.
pub(crate) struct OwnFooter {
    pub(crate) footer: FileFooter,
    /// Files of format 1 have no checksum.
    pub(crate) checksum: Option<String>,
}

impl OwnFooter {
    /// Reads both from a file's Parquet metadata. `None` for another tool's file.
    ///
    /// # Errors
    /// `Corrupt` when only one of the two is present or the footer metadata can't be parsed;
    /// `Invalid` when the footer metadata has a newer format.
    pub(crate) fn of(metadata: &ParquetMetaData) -> Result<Option<Self>> {
        let checksum = checksum::checksum_of(metadata).map(str::to_owned);
        if footer_text(metadata).is_err() {
            return if checksum.is_some() { Err(Error::corrupt(DAMAGED)) } else { Ok(None) };
        }
        let footer = FileFooter::of(metadata)?;
        if checksum.is_none() && footer.format >= FIRST_WITH_CHECKSUM {
            return Err(Error::corrupt(DAMAGED));
        }
        Ok(Some(Self { footer, checksum }))
    }
}

/// The footer metadata of a listed file, cached after the first read.
///
/// # Errors
/// See [`read_metadata`]. Also `Corrupt` when the file isn't one of ours.
pub(crate) async fn file_footer(root: &Root, file: &ObjectMeta) -> Result<FileFooter> {
    let name = root.full_name(&file.location);
    let key = name_of(file);
    let text = root.metadata_cache().find_or(&key, async {
        let metadata = read_metadata(root, file).await?;
        let text = footer_text(&metadata).map_err(|error| error.about(&name))?;
        Ok(Bytes::from(text.to_owned()))
    });
    FileFooter::parse(&text.await?).map_err(|error| error.about(&name))
}

/// The footer metadata of the file at that path. `Ok(None)` when the file doesn't exist.
///
/// # Errors
/// See [`read_metadata`]. Also `Corrupt` when the file isn't one of ours.
pub(crate) async fn read_footer(root: &Root, path: &Path) -> Result<Option<FileFooter>> {
    let Some(meta) = root.look(path).await? else { return Ok(None) };
    let metadata = match read_metadata(root, &meta).await {
        // The file was deleted meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    FileFooter::of(&metadata).map(Some).map_err(|error| error.about(root.full_name(path)))
}

/// The first `bytes` of a file.
///
/// # Errors
/// `Corrupt` when the file is shorter; any error from the store.
pub(crate) async fn read_body(root: &Root, path: &Path, bytes: u64) -> Result<Bytes> {
    if bytes == 0 {
        return Ok(Bytes::new());
    }
    let read = root.store().get_range(path, 0..bytes).await;
    let body = read.map_err(|error| read_error(&root.full_name(path), error))?;
    if (body.len() as u64) < bytes {
        return Err(Error::corrupt(format!("{}: cut short", root.full_name(path))));
    }
    Ok(body)
}

/// The end of a file. Fetches the ranges that the footer is in, and remembers them.
struct Tail<'a> {
    root: &'a Root,
    path: &'a Path,
    fetched: Vec<(Range<u64>, Bytes)>,
}

impl Tail<'_> {
    /// The bytes in the range. No fetched range is fetched again.
    async fn bytes(&mut self, range: Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let has_it =
            |(other, _): &&(Range<u64>, _)| other.start <= range.start && range.end <= other.end;
        if let Some((other, bytes)) = self.fetched.iter().find(has_it) {
            let offset = |at: u64| usize::try_from(at - other.start).unwrap_or(usize::MAX);
            let (start, end) = (offset(range.start), offset(range.end).min(bytes.len()));
            return Ok(if start < end { bytes.slice(start..end) } else { Bytes::new() });
        }
        let read = self.root.store().get_range(self.path, range.clone()).await;
        let bytes = read.map_err(|error| read_error(&self.root.full_name(self.path), error))?;
        self.fetched.push((range, bytes.clone()));
        Ok(bytes)
    }
}

impl MetadataFetch for &mut Tail<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move {
            let bytes = self.bytes(range).await;
            bytes.map_err(|error| ParquetError::External(Box::new(error)))
        }
        .boxed()
    }
}

fn parquet_error(subject: &str, error: ParquetError) -> Error {
    let source = match error {
        ParquetError::External(source) => match source.downcast::<Error>() {
            Ok(ours) => return *ours,
            Err(source) => ParquetError::External(source),
        },
        other => other,
    };
    Error::corrupt(format!("{subject}: not a whole Parquet file: {source}")).with_source(source)
}
