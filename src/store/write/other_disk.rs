//! A staged file is published on another file system than the one it was staged on, such as a
//! `raw` folder that is a mount or a symbolic link.
//!
//! A hard link can't cross file systems, so the file is copied to a hidden one next to its target
//! first. The target is linked to the copy: it is whole from the start, and still created only if
//! absent.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::store::write::unfinished::Unfinished;

/// Makes a name for the staged file: a link to it, or to a copy where a link can't be made. The
/// bytes are on the disk before the name is there.
///
/// # Errors
/// `AlreadyExists` when the name is taken; else what the disk says.
pub(crate) fn link_or_copy(staged: &Path, target: &Path) -> io::Result<()> {
    match fs::hard_link(staged, target) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy(staged, target),
        linked => linked,
    }
}

fn copy(staged: &Path, target: &Path) -> io::Result<()> {
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let copied = Unfinished::create_in(folder)?;
    let mut from = File::open(staged)?;
    let mut to = copied.file();
    io::copy(&mut from, &mut to)?;
    to.set_permissions(from.metadata()?.permissions())?;
    to.sync_all()?;
    fs::hard_link(copied.path(), target)
}
