//! A hidden file in the folder of the file that it is to become.
//!
//! Its writer holds a lock on it, so that a later writer can tell a file in use from one whose
//! writer died, and deletes the latter. A name that starts with a dot is never data.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// What its name starts with; 32 hexadecimal digits follow.
const PREFIX: &str = ".tallybook-unfinished-";

/// How often another file is made when a cleaner took it for abandoned before it was locked.
const ATTEMPTS: usize = 32;

/// The file, open for reading and writing. It is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    file: File,
}

impl Unfinished {
    /// Makes such a file in a folder, and deletes those there whose writers died.
    ///
    /// # Errors
    /// When the folder isn't there or can't be written to.
    pub(crate) fn create_in(folder: &Path) -> io::Result<Self> {
        delete_abandoned(folder);
        for _ in 0..ATTEMPTS {
            let path = folder.join(format!("{PREFIX}{:032x}", rand::random::<u128>()));
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            let made = Self { path, file };
            match made.file.try_lock() {
                // A cleaner has it, and deletes it now.
                Err(TryLockError::WouldBlock) => {}
                // One may have had it, and deleted it. Without locks on this file system no cleaner
                // gets one either.
                Ok(()) | Err(TryLockError::Error(_)) => {
                    if made.file.metadata()?.nlink() > 0 {
                        return Ok(made);
                    }
                }
            }
        }
        Err(io::Error::other("temporary files are deleted as soon as they are made"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file.
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
        // After a rename there is none of that name.
        drop(fs::remove_file(&self.path));
    }
}

/// Best effort: a file that can't be opened or deleted is left for another writer.
fn delete_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !is_unfinished(entry.file_name().to_str()) {
            continue;
        }
        let Ok(file) = OpenOptions::new().read(true).write(true).open(entry.path()) else {
            continue;
        };
        // The lock is held until the name is gone: its writer would notice that it lost the file.
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

    /// Writers come and go at once; none deletes the file of another.
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
