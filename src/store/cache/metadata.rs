//! A cache of small files and footers that never change: in memory up to a number of bytes, and
//! on disk if there is a cache folder.

use std::future::Future;

use bytes::Bytes;
use object_store::ObjectMeta;
use quick_cache::{Weighter, sync::Cache};

use crate::{
    base::Result,
    store::cache::{bounded, disk::Disk},
};

/// The expected size of an entry, in bytes: the footer of a small file.
const ENTRY_BYTES: usize = 8 << 10;

/// Content of immutable files, by name.
#[derive(Debug)]
pub(crate) struct MetadataCache {
    memory: Cache<String, Bytes, ByBytes>,
    disk: Option<Disk>,
}

/// Weighs an entry by its bytes.
#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<String, Bytes> for ByBytes {
    fn weight(&self, name: &String, content: &Bytes) -> u64 {
        (name.len() + content.len()) as u64
    }
}

impl MetadataCache {
    /// A cache of at most `budget` bytes in memory, and with a folder on disk if `disk` is given.
    #[must_use]
    pub(crate) fn new(budget: usize, disk: Option<Disk>) -> Self {
        let memory = bounded(budget / ENTRY_BYTES, budget as u64, ByBytes);
        Self { memory, disk }
    }

    /// The bytes cached under this name. On a miss, the bytes come from `read` and are cached.
    /// Callers that miss one name at once read it each: a caller that waited for another one's
    /// read would hang when that caller is no longer polled.
    ///
    /// # Errors
    /// The error of `read`.
    pub(crate) async fn find_or(
        &self,
        name: &str,
        read: impl Future<Output = Result<Bytes>> + Send,
    ) -> Result<Bytes> {
        if let Some(found) = self.memory.get(name) {
            return Ok(found);
        }
        if let Some(found) = self.disk.as_ref().and_then(|disk| disk.read(name, None)) {
            self.memory.insert(name.to_owned(), found.clone());
            return Ok(found);
        }
        let found = read.await?;
        self.memory.insert(name.to_owned(), found.clone());
        if let Some(disk) = &self.disk {
            disk.write(name, &found);
        }
        Ok(found)
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
    async fn memory_has_a_limit() {
        let cached = MetadataCache::new(1000, None);
        for name in 0..1000 {
            find(&cached, &name.to_string(), Some("content")).await.unwrap();
        }
        assert!((100..=1000).contains(&cached.memory.weight()), "{}", cached.memory.weight());
    }
}
