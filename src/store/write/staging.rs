//! Where files are written before they become visible.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    base::{Error, Result, Settings},
    store::{Root, write::permissions},
};

/// The folder in a local root that holds files not yet visible. No listing looks into it.
const STAGING_FOLDER: &str = ".staging";

/// How often a folder is made that somebody takes away.
const TRIES: usize = 100;

/// The file in each writer's folder that the writer holds a lock on, as long as it lives.
const LOCK_FILE: &str = ".lock";

/// A private folder that disappears with its writer: inside a local root, so that a finished file
/// only needs a new name, and in the temporary folder for other stores. It is made when the first
/// file is: a job that finds nothing to do writes nothing.
#[derive(Debug)]
pub(crate) struct Staging {
    local_root: Option<PathBuf>,
    temp_dir: PathBuf,
    folder: OnceLock<StagingFolder>,
}

#[derive(Debug)]
struct StagingFolder {
    folder: TempDir,
    /// Tells others that the writer lives.
    _lock: File,
}

impl Staging {
    /// A place for one writer's files, which is not made yet.
    #[must_use]
    pub(crate) fn new(root: &Root, settings: &Settings) -> Self {
        let temp_dir = settings.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let local_root = root.local_dir().map(Path::to_owned);
        Self { local_root, temp_dir, folder: OnceLock::new() }
    }

    /// The same, made at once, and the local root itself where it isn't there yet.
    ///
    /// # Errors
    /// `Unavailable` when it can't be made: a read-only or full disk.
    pub(crate) fn open(root: &Root, settings: &Settings) -> Result<Self> {
        let staging = Self::new(root, settings);
        staging.folder()?;
        Ok(staging)
    }

    fn folder(&self) -> Result<&Path> {
        let folder = match self.folder.get() {
            Some(folder) => folder,
            None => {
                let made = match &self.local_root {
                    Some(local) => Self::in_root(local)?,
                    None => Self::in_temp_dir(&self.temp_dir)?,
                };
                // Of two that are made at once, one goes.
                self.folder.get_or_init(|| made)
            }
        };
        Ok(folder.folder.path())
    }

    fn in_temp_dir(temp: &Path) -> Result<StagingFolder> {
        let folder = builder().tempdir_in(temp).map_err(|error| unwritable(temp, error))?;
        let lock = lock_of(folder.path())?;
        Ok(StagingFolder { folder, _lock: lock })
    }

    fn in_root(local: &Path) -> Result<StagingFolder> {
        let staging = local.join(STAGING_FOLDER);
        let mut tries = 0;
        let made = loop {
            let made = permissions::create_folders(local, &staging).and_then(|()| {
                // While somebody holds this, nobody takes away a folder that has no lock yet. Where
                // a disk can't lock folders, nobody takes any away.
                let held = File::open(&staging)?;
                drop(held.lock_shared());
                let folder = builder().tempdir_in(&staging)?;
                Ok((held, folder))
            });
            tries += 1;
            match made {
                // Whoever had made the folder took it away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                made => break made.map_err(|error| unwritable(&staging, error))?,
            }
        };
        let (held, folder) = made;
        let lock = lock_of(folder.path())?;
        drop(held);
        remove_abandoned(&staging);
        Ok(StagingFolder { folder, _lock: lock })
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

    /// Brings a finished file to the disk, if that is where it stays: what publishing it waits for
    /// is then done while others are still written.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn settle(&self, path: &Path) -> Result<()> {
        if self.local_root.is_none() {
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
        let folder = self.folder()?;
        let mut path = folder.join(name);
        for again in 1.. {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
            match file {
                // Of a try that failed: somebody else replaced what it read.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    path = folder.join(format!("{name}.{again}"));
                }
                file => {
                    return file
                        .map(|file| (path.clone(), file))
                        .map_err(|error| unwritable(&path, error));
                }
            }
        }
        Err(Error::internal("no name is left"))
    }
}

fn unwritable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("can't write to {}: {error}", path.display())).with_source(error)
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("write-");
    builder
}

/// The lock of a new folder, which its writer holds as long as it lives.
fn lock_of(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    let lock = File::create(&path).and_then(|file| file.lock().map(|()| file));
    lock.map_err(|error| unwritable(&path, error))
}

/// Removes the folders of writers that died, of which nobody holds the lock: their rows may have
/// been erased since. Best effort: a folder that can't be removed is left for the next writer.
fn remove_abandoned(staging: &Path) {
    let Ok(held) = File::open(staging) else { return };
    if held.try_lock().is_err() {
        // Somebody is making a folder. Whoever comes next removes what is abandoned.
        return;
    }
    for entry in std::fs::read_dir(staging).into_iter().flatten().flatten() {
        let folder = entry.path();
        let is_held = match File::open(folder.join(LOCK_FILE)) {
            Ok(lock) => lock.try_lock().is_err(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if !is_held {
            drop(std::fs::remove_dir_all(folder));
        }
    }
}
