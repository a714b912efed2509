//! The permissions of files and folders that are made inside a local root.
//!
//! A root folder that its group may write to is shared by the group. Everything made inside the
//! root must be shared too, or the first writer of a day locks the other writers out of that day.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

const GROUP_WRITE: u32 = 0o020;
const PERMISSION_BITS: u32 = 0o7777;
const READ_AND_WRITE: u32 = 0o666;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
}

/// Gives a new file or folder the root folder's group and permission bits, if the group may write
/// to the root. Otherwise the process's umask decides, as usual. A file is never made executable.
///
/// # Errors
/// The file system's error about either path.
pub(crate) fn like_root(root: &Path, path: &Path) -> io::Result<()> {
    let (of_root, own) = (fs::metadata(root)?, fs::metadata(path)?);
    let Some(mode) = shared_mode(of_root.mode(), kind(&own)) else { return Ok(()) };
    // The root's group bits are not meant for another group.
    if own.gid() != of_root.gid() && chown(path, None, Some(of_root.gid())).is_err() {
        return Ok(());
    }
    if fs::metadata(path)?.mode() & PERMISSION_BITS == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Makes a folder inside a root, and the missing folders on the way to it, each with the root's
/// permissions. The root and the folders above it get the usual permissions.
///
/// # Errors
/// The file system's error.
pub(crate) fn create_folders(root: &Path, folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if folder == root || !folder.starts_with(root) {
        return fs::create_dir_all(folder);
    }
    if let Some(parent) = folder.parent() {
        create_folders(root, parent)?;
    }
    match fs::create_dir(folder) {
        // Another writer made the folder just now.
        Err(_) if folder.is_dir() => Ok(()),
        made => made.and_then(|()| like_root(root, folder)),
    }
}

fn kind(of: &Metadata) -> Kind {
    if of.is_dir() { Kind::Folder } else { Kind::File }
}

/// The permission bits of what is made inside a root with the mode `root`; `None` when the root
/// isn't shared.
const fn shared_mode(root: u32, kind: Kind) -> Option<u32> {
    if root & GROUP_WRITE == 0 {
        return None;
    }
    Some(match kind {
        Kind::Folder => root & PERMISSION_BITS,
        Kind::File => root & READ_AND_WRITE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_in_a_shared_root_has_its_bits() {
        for (root, folder, file) in [
            (0o040_755, None, None),
            (0o040_700, None, None),
            (0o042_750, None, None),
            (0o040_775, Some(0o775), Some(0o664)),
            (0o042_770, Some(0o2770), Some(0o660)),
            (0o041_777, Some(0o1777), Some(0o666)),
        ] {
            assert_eq!(shared_mode(root, Kind::Folder), folder, "{root:o}");
            assert_eq!(shared_mode(root, Kind::File), file, "{root:o}");
        }
    }

    #[test]
    fn folders_and_files_are_like_a_shared_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        create_folders(&root, &root).unwrap();
        fs::set_permissions(&root, Permissions::from_mode(0o2770)).unwrap();
        let folder = root.join("raw/date=2026-01-24");
        create_folders(&root, &folder).unwrap();
        create_folders(&root, &folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "").unwrap();
        like_root(&root, &file).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & PERMISSION_BITS;
        assert_eq!((mode(&root.join("raw")), mode(&folder), mode(&file)), (0o2770, 0o2770, 0o660));
    }

    #[test]
    fn folders_that_were_there_keep_their_bits() {
        let dir = tempfile::tempdir().unwrap();
        let raw = dir.path().join("raw");
        fs::create_dir(&raw).unwrap();
        fs::set_permissions(&raw, Permissions::from_mode(0o711)).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        create_folders(dir.path(), &raw.join("date=2026-01-24")).unwrap();
        assert_eq!(fs::metadata(&raw).unwrap().mode() & PERMISSION_BITS, 0o711);
    }
}
