//! A cache of small files and footers that never change: in memory up to a number of bytes, and
//! on disk if there is a cache folder.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use object_store::ObjectMeta;

use crate::{base::Result, store::cache::disk::Disk};

/// Content of immutable files, by name.
#[derive(Debug)]
pub(crate) struct MetadataCache {
    budget: usize,
    disk: Option<Disk>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    entries: HashMap<String, (Bytes, u64)>,
    bytes: usize,
    /// Counts lookups, to find the least recently used entries.
    time: u64,
}

impl MetadataCache {
    /// A cache of at most `budget` bytes in memory, and with a folder on disk if `disk` is given.
    #[must_use]
    pub(crate) fn new(budget: usize, disk: Option<Disk>) -> Self {
        Self { budget, disk, memory: Mutex::default() }
    }

    /// The bytes cached under this name. On a miss, the bytes come from `read` and are cached.
    ///
    /// # Errors
    /// The error of `read`.
    pub(crate) async fn find_or(
        &self,
        name: &str,
        read: impl Future<Output = Result<Bytes>> + Send,
    ) -> Result<Bytes> {
        if let Some(found) = self.memory().find(name) {
            return Ok(found);
        }
        if let Some(found) = self.disk.as_ref().and_then(|disk| disk.read(name, None)) {
            self.memory().keep(name, &found, self.budget);
            return Ok(found);
        }
        let found = read.await?;
        self.memory().keep(name, &found, self.budget);
        if let Some(disk) = &self.disk {
            disk.write(name, &found);
        }
        Ok(found)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn find(&mut self, name: &str) -> Option<Bytes> {
        self.time += 1;
        let (found, used) = self.entries.get_mut(name)?;
        *used = self.time;
        Some(found.clone())
    }

    fn keep(&mut self, name: &str, content: &Bytes, budget: usize) {
        self.bytes += content.len();
        if let Some((before, _)) =
            self.entries.insert(name.to_owned(), (content.clone(), self.time))
        {
            self.bytes -= before.len();
        }
        if self.bytes <= budget {
            return;
        }
        // Evicts half at a time, so that eviction is rare.
        let mut oldest: Vec<_> =
            self.entries.iter().map(|(name, (_, used))| (*used, name.clone())).collect();
        oldest.sort_unstable();
        for (_, name) in oldest {
            if self.bytes <= budget / 2 {
                break;
            }
            if let Some((gone, _)) = self.entries.remove(&name) {
                self.bytes -= gone.len();
            }
        }
    }
}

/// The name under which a listed file's content can be cached: its path, size, version and time.
#[must_use]
pub(crate) fn name_of(file: &ObjectMeta) -> String {
    let version = file.e_tag.as_deref().or(file.version.as_deref()).unwrap_or_default();
    let modified = file.last_modified.timestamp_micros();
    format!("{} {} {version} {modified}", file.location, file.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Settings;

    async fn find(
        kept: &MetadataCache,
        name: &str,
        content: Option<&'static str>,
    ) -> Option<Bytes> {
        let read = async {
            content.map(Bytes::from).ok_or_else(|| crate::base::Error::not_found("not kept"))
        };
        kept.find_or(name, read).await.ok()
    }

    #[tokio::test]
    async fn what_was_read_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            Settings { cache_dir: Some(folder.path().to_owned()), ..Settings::default() };
        let of = |root| MetadataCache::new(100, Disk::of_root(&settings, root));
        let here = of("s3://a");
        assert_eq!(find(&here, "a", Some("one")).await.unwrap(), "one");
        assert_eq!(find(&here, "a", None).await.unwrap(), "one");
        assert_eq!(find(&of("s3://a"), "a", None).await.unwrap(), "one", "by another process");
        assert_eq!(find(&of("s3://a"), "b", None).await, None);
        assert_eq!(find(&of("s3://b"), "a", None).await, None, "of another root");
        let file = here.disk.as_ref().unwrap().file("a");
        std::fs::write(&file, &std::fs::read(&file).unwrap()[..33]).unwrap();
        assert_eq!(find(&of("s3://a"), "a", None).await, None, "a file that was cut short");
    }

    #[tokio::test]
    async fn memory_has_a_limit_and_loses_what_was_used_least_recently() {
        let kept = MetadataCache::new(8, None);
        for name in ["a", "b", "c"] {
            find(&kept, name, Some("four")).await.unwrap();
        }
        assert!(kept.memory().bytes <= 8);
        assert_eq!(find(&kept, "a", None).await, None);
        assert_eq!(find(&kept, "c", None).await.unwrap(), "four");
    }
}
