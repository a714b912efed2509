//! A hidden file in the folder of the file that it will become.
//!
//! The writer holds a lock on its hidden file. A later writer can therefore tell a file in use
//! from one whose writer died, and deletes the latter. A name that starts with a dot is never
//! data.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// The start of the file's name. 32 hexadecimal digits follow.
const PREFIX: &str = ".tallybook-unfinished-";

/// How often a file is made again, if a cleaner deletes the new file before it is locked.
const ATTEMPTS: usize = 32;

/// The file, open for reading and writing. Dropping it deletes the file.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    /// Makes a hidden file in a folder, and deletes the folder's hidden files whose writers died.
    ///
    /// # Errors
    /// An I/O error when the folder doesn't exist or can't be written to.
    pub(crate) fn create_in(folder: &Path) -> io::Result<Self> {
        delete_abandoned(folder);
        for _ in 0..ATTEMPTS {
            let path = folder.join(format!("{PREFIX}{:032x}", rand::random::<u128>()));
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            let made = Self { path, file };
            match made.file.try_lock() {
                // A cleaner holds the lock, and is deleting the file.
                Err(TryLockError::WouldBlock) => {}
                // A cleaner may have held the lock, and deleted the file. If this file system has
                // no locks, no cleaner gets a lock either.
                Ok(()) | Err(TryLockError::Error(_)) => {
                    if made.file.metadata()?.nlink() > 0 {
                        return Ok(made);
                    }
                }
            }
        }
        Err(io::Error::other("temporary files are deleted as soon as they are made"))
    }

    /// The file's path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename, no file has this name.
        drop(fs::remove_file(&self.path));
    }
}

/// Deletes hidden files whose writers died. Best effort: a file that can't be opened or deleted
/// is left for another writer.
fn delete_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_unfinished(entry.file_name().to_str()) {
            continue;
        }
        let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path()) else {
            continue;
        };
        // The lock is held until the name is deleted. A writer that locks its new file afterwards
        // then notices the loss.
        match file.try_lock() {
            Ok(()) => drop(fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

fn is_unfinished(name: Option<&str>) -> bool {
    let digits = name.and_then(|name| name.strip_prefix(PREFIX));
    digits.is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn it_goes_with_its_writer() {
        let folder = tempfile::tempdir().unwrap();
        let made = Unfinished::create_in(folder.path()).unwrap();
        assert_eq!(names(folder.path()).len(), 1);
        drop(made);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn abandoned_ones_are_deleted_and_no_other_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let held = Unfinished::create_in(folder.path()).unwrap();
        let abandoned = format!("{PREFIX}{:032x}", 7);
        let others = [".tallybook-mine", ".tallybook-unfinished-mine", "file"];
        for name in others.iter().copied().chain([abandoned.as_str()]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let second = Unfinished::create_in(folder.path()).unwrap();
        let names = names(folder.path());
        assert!(!names.contains(&abandoned), "{names:?}");
        assert_eq!(names.len(), others.len() + 2, "{names:?}");
        assert!(held.path().exists() && second.path().exists());
    }

    /// Writers make and delete files at once. No writer deletes another's file.
    #[test]
    fn writers_at_once_keep_their_files() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let made = Unfinished::create_in(folder.path()).unwrap();
                        assert!(made.path().exists());
                    }
                });
            }
        });
        assert!(names(folder.path()).is_empty());
    }
}
