//! Standard input, and whether there is one.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};

use crate::base::{Error, Result};

/// Says what standard input is.
///
/// # Errors
/// `Invalid` when it is closed. To read that as an empty input would make a broken pipeline look
/// like a successful one.
pub(crate) fn metadata() -> Result<Metadata> {
    let found = look().map_err(|error| Error::io("standard input", error))?;
    found.ok_or_else(|| {
        Error::invalid(
            "standard input is closed; give it rows or name a file, or give it `< /dev/null` if \
             there are no rows",
        )
    })
}

/// `None` when it is closed.
fn look() -> io::Result<Option<Metadata>> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    // Reading nothing fails where it isn't open for reading, as under `nohup`; a read through
    // `io::stdin` would take that for the end.
    match file.read(&mut []) {
        Err(error) if error.raw_os_error() == Some(BAD_DESCRIPTOR) => return Ok(None),
        _ => {}
    }
    let metadata = file.metadata()?;
    Ok((!is_stand_in(&mut file, &metadata)).then_some(metadata))
}

/// `EBADF`, for which `io::ErrorKind` has no name.
const BAD_DESCRIPTOR: i32 = 9;

/// Whether it is what Rust's runtime opens in the context of a closed descriptor when the program
/// starts: `/dev/null` for reading and writing. A shell opens it for reading alone. To write there
/// has no effect.
fn is_stand_in(file: &mut File, metadata: &Metadata) -> bool {
    let null = fs::metadata("/dev/null").map(|null| null.rdev());
    null.is_ok_and(|null| null == metadata.rdev()) && file.write(b"\n").is_ok()
}
