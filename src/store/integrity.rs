//! Whether a file is as it was written.

use object_store::ObjectMeta;

use super::{FileDigest, FileFooter, Root, read_body, read_metadata};
use crate::base::{Error, ErrorKind, Result};

/// A file's rows and its own account, when its bytes are those that it was written with; a file of
/// another tool has no account to hold it to. Else what is wrong with it.
///
/// # Errors
/// What the store says.
pub(crate) async fn check_file(
    root: &Root,
    file: &ObjectMeta,
) -> Result<Result<(u64, Option<FileFooter>), &'static str>> {
    let metadata = match read_metadata(root, file).await {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            return Ok(Err("is not a whole Parquet file"));
        }
        read => read?,
    };
    let rows = metadata.file_metadata().num_rows().unsigned_abs();
    let Ok(footer) = FileFooter::of(&metadata) else { return Ok(Ok((rows, None))) };
    let body = read_body(root, &file.location, footer.body.bytes).await?;
    if FileDigest::of(&body) != footer.body {
        return Ok(Err("its bytes are not those it was written with"));
    }
    Ok(Ok((rows, Some(footer))))
}

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
