//! Checks that a file's bytes are the bytes that were written.

use object_store::{ObjectMeta, path::Path};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::checksum;
use crate::{
    base::{Error, ErrorKind, Result},
    model::SegmentFile,
    store::{
        FileDigest, FileFooter, Root,
        list::raw_name::is_named_ours,
        parquet::read_footer::{ANOTHER, DAMAGED, NO_FOOTER, OwnFooter},
        read_body,
    },
};

/// The result of comparing a whole file with its checksum.
#[derive(Debug)]
pub(crate) enum FileCheck {
    /// A file of ours whose bytes are as they were written.
    Intact {
        /// The number of its rows.
        rows: u64,
        /// Its footer metadata.
        footer: Box<FileFooter>,
    },
    /// A Parquet file of another tool, which has no checksum.
    Foreign {
        /// The number of its rows.
        rows: u64,
    },
    /// What is wrong with the file, without the file's name: `Corrupt`, or `Invalid` when the file
    /// has a newer format.
    Damaged(Error),
}

/// Reads a file whole and compares its bytes with its checksum.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn check_file(root: &Root, file: &ObjectMeta) -> Result<FileCheck> {
    let not_whole = || FileCheck::Damaged(Error::corrupt("is not a whole Parquet file"));
    let bytes = match read_body(root, &file.location, file.size).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            let (name, what) = (root.full_name(&file.location), error.to_string());
            let what = what.strip_prefix(&format!("{name}: ")).unwrap_or(&what).to_owned();
            return Ok(FileCheck::Damaged(Error::corrupt(what).with_source(error)));
        }
        read => read?,
    };
    let Ok(metadata) = ParquetMetaDataReader::new().parse_and_finish(&bytes) else {
        return Ok(not_whole());
    };
    let rows = metadata.file_metadata().num_rows().unsigned_abs();
    Ok(match check_bytes(&file.location, &bytes, &metadata) {
        Ok(Some(footer)) => FileCheck::Intact { rows, footer: Box::new(footer) },
        Ok(None) => FileCheck::Foreign { rows },
        Err(what) => FileCheck::Damaged(what),
    })
}

/// Compares the bytes of a whole file with its checksum. `metadata` is the file's Parquet
/// metadata. Gives the footer metadata, or `None` for a file of another tool.
///
/// # Errors
/// What is wrong with the file, without its name: `Corrupt`, or `Invalid` when it has a newer
/// format.
pub(crate) fn check_bytes(
    location: &Path,
    file: &[u8],
    metadata: &ParquetMetaData,
) -> Result<Option<FileFooter>> {
    let Some(OwnFooter { footer, checksum }) = OwnFooter::of(metadata)? else {
        return if is_named_ours(location) { Err(Error::corrupt(NO_FOOTER)) } else { Ok(None) };
    };
    let damaged = || Error::corrupt(DAMAGED);
    let rows = usize::try_from(footer.body.bytes).unwrap_or(usize::MAX);
    let (body, tail) = file.split_at_checked(rows).ok_or_else(damaged)?;
    let is_tail = checksum.is_none_or(|checksum| checksum::is_tail(&checksum, tail));
    if !is_tail || FileDigest::of(body) != footer.body {
        return Err(damaged());
    }
    if footer.is_at(location) { Ok(Some(footer)) } else { Err(Error::corrupt(ANOTHER)) }
}

/// Checks a file of ours whole and gives its footer metadata.
///
/// # Errors
/// `Corrupt`, with the file's name, when the file is damaged, is not the one that its name says,
/// or isn't ours; any error from the store.
pub(crate) async fn whole_file(root: &Root, file: &ObjectMeta) -> Result<FileFooter> {
    let name = || root.full_name(&file.location);
    match check_file(root, file).await? {
        FileCheck::Intact { footer, .. } => Ok(*footer),
        FileCheck::Foreign { .. } => Err(Error::corrupt(NO_FOOTER).about(name())),
        FileCheck::Damaged(what) => Err(what.about(name())),
    }
}

/// Reads a hint whole, and stops using the hint when it is damaged. A hint that is gone is not an
/// error.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn check_hint(root: &Root, hint: &ObjectMeta) -> Result<()> {
    match whole_file(root, hint).await {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Invalid) => {
            root.distrust(hint, &error);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Checks a segment whole, once per opened root and listed version. A scan reads a segment page
/// by page, so all its bytes must be checked before.
///
/// # Errors
/// `Corrupt`, with the file's name, when the segment is damaged, and a damaged hint is no longer
/// used; any error from the store.
pub(crate) async fn check_once(root: &Root, segment: &SegmentFile) -> Result<()> {
    if root.is_checked(&segment.file) {
        return Ok(());
    }
    match whole_file(root, &segment.file).await {
        Ok(_) => root.set_checked(&segment.file),
        Err(error) => {
            if segment.is_hint() && matches!(error.kind(), ErrorKind::Corrupt) {
                root.distrust(&segment.file, &error);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Turns a decoding error into an error that names the damaged or missing file among `files`.
/// Decoders don't know which file they decode.
pub(crate) async fn name_damage<'a>(
    root: &Root,
    error: Error,
    files: impl IntoIterator<Item = &'a ObjectMeta> + Send,
) -> Error {
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    let files: Vec<_> = files.into_iter().collect();
    let mut whole = 0;
    for file in &files {
        match check_file(root, file).await {
            Ok(FileCheck::Damaged(what)) => {
                return what.about(root.full_name(&file.location)).with_source(error);
            }
            // The file isn't damaged. It is deleted or out of reach.
            Err(other) => return other,
            Ok(FileCheck::Intact { .. }) => whole += 1,
            Ok(FileCheck::Foreign { .. }) => {}
        }
    }
    if whole == files.len() {
        // All bytes match their checksums, so the bytes were damaged on the way here.
        return Error::unavailable(format!("reading failed, and not again: {error}"))
            .with_source(error);
    }
    error
}
