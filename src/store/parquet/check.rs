//! Whether a file is as it was written.

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

/// A file's rows and its own account, when its bytes are those that it was written with; a file of
/// another tool has no account to hold it to. Else what is wrong with it.
///
/// # Errors
/// What the store says.
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

/// The account of the whole file that is there, of that metadata, when its bytes are those that it
/// was written with; a file of another tool has none. Else what is wrong with it.
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

/// The account of a file of ours that is as it was written.
///
/// # Errors
/// `Corrupt`, naming the file, when it isn't; or what the store says.
pub(crate) async fn whole_file(root: &Root, file: &ObjectMeta) -> Result<FileFooter> {
    let wrong = |what| Error::corrupt(format!("{}: {what}", root.full_name(&file.location)));
    let (_, account) = check_file(root, file).await?.map_err(wrong)?;
    account.ok_or_else(|| wrong(NO_FOOTER))
}

/// Reads a hint whole, and uses it no more when it isn't as it was written.
///
/// # Errors
/// What the store says.
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

/// Reads a segment whole, once for the process: what is scanned page by page must be as it was
/// written.
///
/// # Errors
/// `Corrupt`, naming the file, when it isn't: a hint is used no more then; or what the store says.
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

/// The same error, with the name of the damaged or missing one of the files that were read:
/// decoders don't know what they decode.
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
            // Not damaged, but deleted, or out of reach.
            Err(other) => return other,
            Ok(Ok((_, Some(_)))) => whole += 1,
            Ok(Ok((_, None))) => {}
        }
    }
    if whole == files.len() {
        // All bytes are those that were written: it was the way here that damaged them.
        return Error::unavailable(format!("reading failed, and not again: {error}"))
            .with_source(error);
    }
    error
}
