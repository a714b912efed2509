//! A folder that caches small content on disk for the next process. The root still has all of the
//! content. Best effort: if the folder can't be written or read, the content is read from the
//! root.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tempfile::NamedTempFile;

use crate::base::Settings;

/// One root's cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    /// Upper bound for the folder, in bytes. The size is checked after each eighth of the bound
    /// is written.
    bytes_max: u64,
    /// The bytes written since the last check of the size. Starts at the maximum, so that the
    /// first write checks.
    written: Arc<AtomicU64>,
}

impl Disk {
    /// The root's own folder inside `cache_dir`, of at most `cache_dir_bytes`; `None` without a
    /// `cache_dir`. Two roots of one name on different stores have separate folders.
    pub(crate) fn of_root(settings: &Settings, root: &str) -> Option<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(root.as_bytes());
        let mut stores: Vec<_> =
            settings.store_options.iter().filter(|(name, _)| says_which_store(name)).collect();
        stores.sort_unstable();
        for (name, value) in stores {
            hasher.update(format!("\n{name}={value}").as_bytes());
        }
        let folder = settings.cache_dir.as_ref()?.join(hasher.finalize().to_hex().as_str());
        let (bytes_max, written) = (settings.cache_dir_bytes, Arc::new(u64::MAX.into()));
        Some(Self { folder, bytes_max, written })
    }

    /// The content cached under this name, if it is at most `age_max` old. A file is its
    /// content's BLAKE3, then the content: a truncated file doesn't match.
    pub(crate) fn read(&self, name: &str, age_max: Option<Duration>) -> Option<Bytes> {
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

    /// Caches the content under this name.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let write = || {
            fs::create_dir_all(&self.folder)?;
            let mut staged = NamedTempFile::new_in(&self.folder)?;
            io::Write::write_all(&mut staged, blake3::hash(content).as_bytes())?;
            io::Write::write_all(&mut staged, content)?;
            staged.persist(self.file(name)).map(drop).map_err(|error| error.error)
        };
        drop(write());
        let unseen = self.written.load(Relaxed).saturating_add(content.len() as u64);
        if unseen <= self.bytes_max / 8 {
            self.written.store(unseen, Relaxed);
            return;
        }
        self.written.store(0, Relaxed);
        drop(self.shrink());
    }

    /// If the folder exceeds its bound, deletes the oldest files until half of the bound is left.
    fn shrink(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        if bytes <= self.bytes_max {
            return Ok(());
        }
        files.sort_unstable();
        for (_, size, path) in files {
            if bytes <= self.bytes_max / 2 {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }

    /// Deletes the content of this name.
    pub(crate) fn remove(&self, name: &str) {
        drop(fs::remove_file(self.file(name)));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(blake3::hash(name.as_bytes()).to_hex().as_str())
    }
}

/// Whether an option tells apart two stores that have buckets of one name.
fn says_which_store(option: &str) -> bool {
    let of_store = ["aws_", "google_", "azure_"].iter().any(|store| option.starts_with(store));
    of_store && ["endpoint", "url", "account", "emulator"].iter().any(|word| option.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &std::path::Path, endpoint: &str) -> Settings {
        Settings {
            store_options: vec![("aws_endpoint".to_owned(), endpoint.to_owned())],
            cache_dir: Some(folder.to_owned()),
            cache_dir_bytes: 4000,
            ..Settings::default()
        }
    }

    #[test]
    fn roots_of_one_name_on_two_stores_have_nothing_in_common() {
        let folder = tempfile::tempdir().unwrap();
        let of = |endpoint, root| Disk::of_root(&settings(folder.path(), endpoint), root).unwrap();
        of("http://a", "s3://bucket/r").write("x", b"one");
        assert_eq!(of("http://a", "s3://bucket/r").read("x", None).unwrap(), "one");
        assert_eq!(of("http://b", "s3://bucket/r").read("x", None), None);
        assert_eq!(of("http://a", "s3://bucket/s").read("x", None), None);
    }

    #[test]
    fn it_grows_to_its_limit_and_loses_what_was_kept_first() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::of_root(&settings(folder.path(), "http://a"), "s3://b").unwrap();
        for nth in 0..200 {
            disk.write(&nth.to_string(), &[7; 100]);
        }
        let size = |path: PathBuf| fs::metadata(path).unwrap().len();
        let entries = fs::read_dir(&disk.folder).unwrap();
        let bytes: u64 = entries.map(|entry| size(entry.unwrap().path())).sum();
        assert!((1000..5000).contains(&bytes), "{bytes}");
        assert_eq!(disk.read("199", None).unwrap().len(), 100);
        assert_eq!(disk.read("0", None), None);
    }
}
