//! Where files are written before they become visible.

use std::{
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use super::Root;
use crate::base::{Clock, Error, Result, Settings};

/// The folder in a local root that holds files not yet visible. No listing looks into it.
const STAGING_FOLDER: &str = ".staging";

/// Staging folders of writers that died are removed when they are older than this.
const ABANDONED: Duration = Duration::from_hours(48);

/// A private folder that disappears with its writer: inside a local root, so that a finished file
/// only needs a new name, and in the temporary folder for other stores.
#[derive(Debug)]
pub(crate) struct Staging {
    folder: TempDir,
    in_root: bool,
}

impl Staging {
    /// Makes a folder for one writer, and the local root itself where it isn't there yet.
    ///
    /// # Errors
    /// `Unavailable` when it can't be made: a read-only or full disk.
    pub(crate) fn open(root: &Root, settings: &Settings, clock: &dyn Clock) -> Result<Self> {
        let builder = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix("write-");
            builder
        };
        let folder = match (root.local_dir(), &settings.temp_dir) {
            (Some(local), _) => {
                let staging = local.join(STAGING_FOLDER);
                std::fs::create_dir_all(&staging).map_err(|error| unwritable(&staging, error))?;
                remove_abandoned(&staging, clock);
                builder().tempdir_in(&staging).map_err(|error| unwritable(&staging, error))?
            }
            (None, Some(temp)) => {
                builder().tempdir_in(temp).map_err(|error| unwritable(temp, error))?
            }
            (None, None) => {
                builder().tempdir().map_err(|error| unwritable(&std::env::temp_dir(), error))?
            }
        };
        Ok(Self { folder, in_root: root.local_dir().is_some() })
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

/// Best effort: a folder that can't be looked at or removed is left for the next writer.
fn remove_abandoned(staging: &Path, clock: &dyn Clock) {
    let now = std::time::SystemTime::from(clock.now());
    for entry in std::fs::read_dir(staging).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| now.duration_since(modified).ok());
        if age.is_some_and(|age| age > ABANDONED) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
