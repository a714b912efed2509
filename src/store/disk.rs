//! A folder of small things that can be read again from a root, kept for the next process. Best
//! effort: what can't be written or read there is read from the root.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use tempfile::NamedTempFile;

/// The folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is kept by that name, if it isn't older than that. A file is its content's hash, then
    /// its content: one that was cut short is no match.
    pub(super) fn read(&self, name: &str, age_max: Option<Duration>) -> Option<Bytes> {
        let file = self.file(name);
        if let Some(age_max) = age_max {
            let age = fs::metadata(&file).ok()?.modified().ok()?.elapsed().ok()?;
            if age > age_max {
                return None;
            }
        }
        let stored = Bytes::from(fs::read(file).ok()?);
        let (hash, content) = stored.split_at_checked(blake3::OUT_LEN)?;
        (blake3::hash(content).as_bytes() == hash).then(|| stored.slice(blake3::OUT_LEN..))
    }

    /// Keeps that.
    pub(super) fn write(&self, name: &str, content: &[u8]) {
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut staged = NamedTempFile::new_in(&self.folder)?;
            io::Write::write_all(&mut staged, blake3::hash(content).as_bytes())?;
            io::Write::write_all(&mut staged, content)?;
            staged.persist(self.file(name)).map(drop).map_err(|error| error.error)
        };
        drop(write());
    }

    /// Keeps it no longer.
    pub(super) fn remove(&self, name: &str) {
        drop(fs::remove_file(self.file(name)));
    }

    /// A root's own folder in a folder of several.
    pub(super) fn folder_of(folder: &Path, root: &str) -> PathBuf {
        folder.join(blake3::hash(root.as_bytes()).to_hex().as_str())
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(blake3::hash(name.as_bytes()).to_hex().as_str())
    }
}
