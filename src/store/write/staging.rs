//! Where files are written before they become visible.

use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tempfile::TempDir;

use crate::{
    base::{Error, Result, Settings},
    store::{Root, write::permissions},
};

/// The folder in a local root for files that aren't visible yet. No listing looks into it.
const STAGING_FOLDER: &str = ".staging";

/// How the names of writers' folders begin. A temporary folder has folders of other programs, too.
const PREFIX: &str = "tallybook-write-";

/// How often a folder is made again after another writer deletes it.
const TRIES: usize = 100;

/// The file in each writer's folder that the writer keeps locked until it ends.
const LOCK_FILE: &str = ".lock";

/// A writer's private folder, deleted when this value is dropped. For a local root the folder is
/// inside the root, so that a finished file only needs a new name. For other stores it is in the
/// temporary folder. The folder is made together with its first file: a job that finds nothing to
/// do writes nothing.
#[derive(Debug)]
pub(crate) struct Staging {
    local_root: Option<PathBuf>,
    temp_dir: PathBuf,
    folder: OnceLock<StagingFolder>,
}

#[derive(Debug)]
struct StagingFolder {
    folder: TempDir,
    /// The held lock shows other writers that this writer lives.
    _lock: File,
}

impl StagingFolder {
    /// Makes a writer's folder in `parent`.
    fn make_in(parent: &Path) -> io::Result<Self> {
        // Nobody else reads rows here. They are published by links to files, which get their own
        // permissions.
        let private = Permissions::from_mode(0o700);
        let mut folder = tempfile::Builder::new();
        let folder = folder.prefix(PREFIX).permissions(private).tempdir_in(parent)?;
        // The lock file gets its name when it is locked, so a living writer's lock file never looks
        // abandoned.
        let unlocked = folder.path().join(".unlocked");
        let lock = File::create(&unlocked)?;
        lock.lock()?;
        std::fs::rename(unlocked, folder.path().join(LOCK_FILE))?;
        Ok(Self { folder, _lock: lock })
    }
}

impl Staging {
    /// A writer's folder, which is not made yet.
    #[must_use]
    pub(crate) fn new(root: &Root, settings: &Settings) -> Self {
        let temp_dir = settings.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        let local_root = root.local_dir().map(Path::to_owned);
        Self { local_root, temp_dir, folder: OnceLock::new() }
    }

    /// A writer's folder, made at once. The local root is made too, if it doesn't exist.
    ///
    /// # Errors
    /// `Unavailable` when the folder can't be made, as on a read-only or full disk.
    pub(crate) fn open(root: &Root, settings: &Settings) -> Result<Self> {
        let staging = Self::new(root, settings);
        staging.folder()?;
        Ok(staging)
    }

    fn folder(&self) -> Result<&Path> {
        if let Some(made) = self.folder.get() {
            return Ok(made.folder.path());
        }
        let made = match &self.local_root {
            Some(local) => Self::in_root(local)?,
            None => Self::in_temp_dir(&self.temp_dir)?,
        };
        // If two folders are made at once, one of them is dropped.
        let folder = self.folder.get_or_init(|| made);
        Ok(folder.folder.path())
    }

    fn in_temp_dir(temp: &Path) -> Result<StagingFolder> {
        let made = StagingFolder::make_in(temp).map_err(|error| unwritable(temp, error))?;
        remove_abandoned(temp, PREFIX, &made);
        Ok(made)
    }

    fn in_root(local: &Path) -> Result<StagingFolder> {
        let staging = local.join(STAGING_FOLDER);
        let mut tries = 0;
        let made = loop {
            let made = permissions::create_folders(local, &staging)
                .and_then(|()| StagingFolder::make_in(&staging));
            tries += 1;
            match made {
                // The writer that made `staging` has deleted it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                made => break made.map_err(|error| unwritable(&staging, error))?,
            }
        };
        // All that is in this folder is Tallybook's.
        remove_abandoned(&staging, "", &made);
        Ok(made)
    }

    /// The folders that [`Self::open`] would make in a local root, the innermost first.
    #[must_use]
    pub(crate) fn missing_folders(root: &Root) -> Vec<PathBuf> {
        let Some(local) = root.local_dir() else { return Vec::new() };
        let staging = local.join(STAGING_FOLDER);
        staging.ancestors().take_while(|it| !it.exists()).map(Path::to_owned).collect()
    }

    /// Deletes the folders that are empty, up to the first that isn't. For use when the root was
    /// not made after all.
    pub(crate) fn remove_empty(folders: &[PathBuf]) {
        for folder in folders {
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }

    /// Syncs a finished file to disk, if the root is local. Publishing the file needs the sync, and
    /// an early sync runs while other files are still written.
    ///
    /// # Errors
    /// `Unavailable` when the sync fails.
    pub(crate) fn settle(&self, path: &Path) -> Result<()> {
        if self.local_root.is_none() {
            return Ok(());
        }
        let settled = File::open(path).and_then(|file| file.sync_all());
        settled.map_err(|error| unwritable(path, error))
    }

    /// Makes a new file in the folder, open for writing and reading.
    ///
    /// # Errors
    /// `Unavailable` when the folder or the file can't be made.
    pub(crate) fn create(&self, name: &str) -> Result<(PathBuf, File)> {
        let folder = self.folder()?;
        let mut path = folder.join(name);
        for again in 1.. {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
            match file {
                // A failed try left a file of this name: another writer had replaced what the try
                // read.
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

/// Deletes the folders of writers that died, whose lock files nobody has locked: rows in them may
/// have been erased since. Their names begin with `prefix`, and their owner is that of `own`.
/// Anybody may write into a temporary folder, so nothing but a plain lock file is opened. Best
/// effort: a folder that can't be deleted is left for the next writer.
fn remove_abandoned(parent: &Path, prefix: &str, own: &StagingFolder) {
    let Ok(owner) = own.folder.path().metadata().map(|own| own.uid()) else { return };
    let is_abandoned = |lock: &Path| {
        let is_plain =
            lock.symlink_metadata().is_ok_and(|lock| lock.is_file() && lock.uid() == owner);
        is_plain && File::open(lock).is_ok_and(|lock| lock.try_lock().is_ok())
    };
    for folder in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = folder.file_name().as_encoded_bytes().starts_with(prefix.as_bytes());
        if is_ours && is_abandoned(&folder.path().join(LOCK_FILE)) {
            drop(std::fs::remove_dir_all(folder.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_writers_go_from_a_temporary_folder() {
        let temp = tempfile::tempdir().unwrap();
        let dead = StagingFolder::make_in(temp.path()).unwrap();
        std::fs::write(dead.folder.path().join("rows"), "of a writer").unwrap();
        let StagingFolder { folder, _lock: lock } = dead;
        drop(lock);
        let dead = folder.keep();
        let living = StagingFolder::make_in(temp.path()).unwrap();
        let other = temp.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join(LOCK_FILE), "").unwrap();
        drop(Staging::in_temp_dir(temp.path()).unwrap());
        let left: Vec<_> = std::fs::read_dir(&temp).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(!dead.exists() && other.exists() && living.folder.path().exists());
    }
}
