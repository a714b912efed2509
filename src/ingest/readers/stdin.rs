//! Standard input, and whether it is open.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};

use crate::base::{Error, Result};

/// The metadata of standard input.
///
/// # Errors
/// `Invalid` when standard input is closed. If a closed one were read as an empty input, a broken
/// pipeline would look like a successful one.
pub(crate) fn metadata() -> Result<Metadata> {
    let found = look().map_err(|error| Error::io("standard input", error))?;
    found.ok_or_else(|| {
        Error::invalid(
            "standard input is closed; give it rows or name a file, or give it `< /dev/null` if \
             there are no rows",
        )
    })
}

/// The metadata of standard input; `None` when standard input is closed.
fn look() -> io::Result<Option<Metadata>> {
    let mut file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    // A read of zero bytes fails when standard input isn't open for reading, as under `nohup`. A
    // read through `io::stdin` would treat that failure as the end of the input.
    match file.read(&mut []) {
        Err(error) if error.raw_os_error() == Some(BAD_DESCRIPTOR) => return Ok(None),
        _ => {}
    }
    let metadata = file.metadata()?;
    Ok((!is_stand_in(&mut file, &metadata)).then_some(metadata))
}

/// `EBADF`, for which `io::ErrorKind` has no name.
const BAD_DESCRIPTOR: i32 = 9;

/// Whether `file` is the `/dev/null` that Rust's runtime opens when the program starts with a
/// closed descriptor. The runtime opens it for reading and writing, and a shell for reading
/// alone. Writing to `/dev/null` has no effect.
fn is_stand_in(file: &mut File, metadata: &Metadata) -> bool {
    let null = fs::metadata("/dev/null").map(|null| null.rdev());
    null.is_ok_and(|null| null == metadata.rdev()) && file.write(b"\n").is_ok()
}
