//! Publishes a staged file on another file system than the one it was staged on, for example if
//! `raw` is a mount or a symbolic link.
//!
//! A hard link can't cross file systems, so the file is first copied to a hidden file next to its
//! target. The target is then linked to the copy: it is whole from the start, and still created
//! only if absent.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::store::write::unfinished::Unfinished;

/// Gives the staged file the name `target`: links to it, or to a copy if no link can be made
/// across file systems. A copy is synced before the name exists. The caller syncs the staged file
/// itself.
///
/// # Errors
/// `AlreadyExists` when the name is taken; otherwise the file system's error.
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
