//! Where files are written before they become visible.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use super::{Root, permissions};
use crate::base::{Error, Result, Settings};

/// The folder in a local root that holds files not yet visible. No listing looks into it.
const STAGING_FOLDER: &str = ".staging";

/// How often a folder is made that somebody takes away.
const TRIES: usize = 100;

/// The file in each writer's folder that the writer holds a lock on, as long as it lives.
const LOCK_FILE: &str = ".lock";

/// A private folder that disappears with its writer: inside a local root, so that a finished file
/// only needs a new name, and in the temporary folder for other stores.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    in_root: bool,
    /// Tells others that the writer lives.
    _lock: File,
}

impl Staging {
    /// Makes a folder for one writer, and the local root itself where it isn't there yet.
    ///
    /// # Errors
    /// `Unavailable` when it can't be made: a read-only or full disk.
    pub(crate) fn open(root: &Root, settings: &Settings) -> Result<Self> {
        let builder = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix("write-");
            builder
        };
        let folder = match (root.local_dir(), &settings.temp_dir) {
            (Some(local), _) => {
                let staging = local.join(STAGING_FOLDER);
                let mut tries = 0;
                loop {
                    let folder = permissions::create_folders(local, &staging)
                        .and_then(|()| builder().tempdir_in(&staging));
                    tries += 1;
                    match folder {
                        // Whoever had made the folder took it away meanwhile.
                        Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                        folder => break folder.map_err(|error| unwritable(&staging, error))?,
                    }
                }
            }
            (None, Some(temp)) => {
                builder().tempdir_in(temp).map_err(|error| unwritable(temp, error))?
            }
            (None, None) => {
                builder().tempdir().map_err(|error| unwritable(&std::env::temp_dir(), error))?
            }
        };
        let path = folder.path().join(LOCK_FILE);
        let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
        let lock = lock.map_err(|error| unwritable(&path, error))?;
        if let Some(local) = root.local_dir() {
            remove_abandoned(&local.join(STAGING_FOLDER));
        }
        Ok(Self { folder, in_root: root.local_dir().is_some(), _lock: lock })
    }

    /// The folders that opening one would make in a local root, the innermost first.
    #[must_use]
    pub(crate) fn missing_folders(root: &Root) -> Vec<PathBuf> {
        let Some(local) = root.local_dir() else { return Vec::new() };
        let staging = local.join(STAGING_FOLDER);
        staging.ancestors().take_while(|it| !it.exists()).map(Path::to_owned).collect()
    }

    /// Removes those of them that are empty: of a root that was not made after all.
    pub(crate) fn remove_empty(folders: &[PathBuf]) {
        for folder in folders {
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }

    /// The path of a file in it.
    #[must_use]
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Brings a finished file to the disk, if that is where it stays: what publishing it waits for
    /// is then done while others are still written.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn settle(&self, path: &Path) -> Result<()> {
        if !self.in_root {
            return Ok(());
        }
        let settled = File::open(path).and_then(|file| file.sync_all());
        settled.map_err(|error| unwritable(path, error))
    }

    /// A new file in it, open for writing and reading.
    ///
    /// # Errors
    /// `Unavailable` when it can't be made.
    pub(crate) fn create(&self, name: &str) -> Result<(PathBuf, File)> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        file.map(|file| (path.clone(), file)).map_err(|error| unwritable(&path, error))
    }
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("can't write to {}: {error}", path.display())).with_source(error)
}

/// Removes the folders of writers that died, of which nobody holds the lock: their rows may have
/// been erased since. Best effort: a folder that can't be removed is left for the next writer.
fn remove_abandoned(staging: &Path) {
    for entry in std::fs::read_dir(staging).into_iter().flatten().flatten() {
        let folder = entry.path();
        let lock = match File::open(folder.join(LOCK_FILE)) {
            Ok(lock) => Some(lock),
            // Made just now, before its lock, or by a program that had no locks.
            Err(_) if !is_older(&folder, WITHOUT_LOCK) => continue,
            Err(_) => None,
        };
        if lock.is_none_or(|lock| lock.try_lock().is_ok()) {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}

/// How old a folder without a lock must be before nobody can be about to make one.
const WITHOUT_LOCK: Duration = Duration::from_mins(1);

/// Whether a folder is older than that, by the clock of the disk that it is on.
fn is_older(folder: &Path, age: Duration) -> bool {
    let check = || {
        let modified = std::fs::metadata(folder).ok()?.modified().ok()?;
        let now = tempfile::tempfile_in(folder.parent()?).ok()?.metadata().ok()?.modified().ok()?;
        Some(now.duration_since(modified).ok()? > age)
    };
    check().unwrap_or_default()
}
