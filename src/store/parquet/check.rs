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
        parquet::read_footer::{ANOTHER, DAMAGED, NO_FOOTER, Vouched},
        read_body,
    },
};

/// Reads a file whole and compares its bytes with its checksum. Gives the number of rows and the
/// footer metadata, or what is wrong with the file. A file of another tool has no footer metadata
/// to compare with, and gives `None`.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn check_file(
    root: &Root,
    file: &ObjectMeta,
) -> Result<Result<(u64, Option<FileFooter>), &'static str>> {
    let bytes = match read_body(root, &file.location, file.size).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Err(NOT_WHOLE)),
        read => read?,
    };
    let Ok(metadata) = ParquetMetaDataReader::new().parse_and_finish(&bytes) else {
        return Ok(Err(NOT_WHOLE));
    };
    let rows = metadata.file_metadata().num_rows().unsigned_abs();
    Ok(check_bytes(&file.location, &bytes, &metadata).map(|account| (rows, account)))
}

/// Compares the bytes of a whole file with its checksum. `metadata` is the file's Parquet
/// metadata. Gives the footer metadata, `None` for a file of another tool, or what is wrong with
/// the file.
pub(crate) fn check_bytes(
    location: &Path,
    file: &[u8],
    metadata: &ParquetMetaData,
) -> Result<Option<FileFooter>, &'static str> {
    let vouched = Vouched::of(metadata).map_err(|_| DAMAGED)?;
    let Some(Vouched { account, seal }) = vouched else {
        return if is_named_ours(location) { Err(NO_FOOTER) } else { Ok(None) };
    };
    let rows = usize::try_from(account.body.bytes).unwrap_or(usize::MAX);
    let (body, tail) = file.split_at_checked(rows).ok_or(DAMAGED)?;
    let is_tail = seal.is_none_or(|seal| checksum::is_tail(&seal, tail));
    if !is_tail || FileDigest::of(body) != account.body {
        return Err(DAMAGED);
    }
    if account.is_at(location) { Ok(Some(account)) } else { Err(ANOTHER) }
}

/// Checks a file of ours whole and gives its footer metadata.
///
/// # Errors
/// `Corrupt`, with the file's name, when the file is damaged, is not the one that its name says,
/// or isn't ours; any error from the store.
pub(crate) async fn whole_file(root: &Root, file: &ObjectMeta) -> Result<FileFooter> {
    let wrong = |what| Error::corrupt(format!("{}: {what}", root.full_name(&file.location)));
    let (_, account) = check_file(root, file).await?.map_err(wrong)?;
    account.ok_or_else(|| wrong(NO_FOOTER))
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

const NOT_WHOLE: &str = "is not a whole Parquet file";

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
            Ok(Err(what)) => {
                let name = root.full_name(&file.location);
                return Error::corrupt(format!("{name}: {what}")).with_source(error);
            }
            // The file isn't damaged. It is deleted or out of reach.
            Err(other) => return other,
            Ok(Ok((_, Some(_)))) => whole += 1,
            Ok(Ok((_, None))) => {}
        }
    }
    if whole == files.len() {
        // All bytes match their checksums, so the bytes were damaged on the way here.
        return Error::unavailable(format!("reading failed, and not again: {error}"))
            .with_source(error);
    }
    error
}
