//! Cached listings of a remote store. A query may reuse a listing for as long as its caller allows.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::DateTime;
use object_store::{ObjectMeta, path::Path};
use quick_cache::{Weighter, sync::Cache};
use serde::{Deserialize, Serialize};

use crate::store::cache::{bounded, disk::Disk};

/// The maximum number of files in all listings in memory. Each takes about 300 bytes.
const FILES_MAX: u64 = 500_000;

/// The expected number of listings: one for each rollup, and one for each folder of raw files that
/// a query lists alone.
const LISTINGS: usize = 1000;

/// The last listings, in memory and, if there is a cache folder, on disk.
#[derive(Debug)]
pub(crate) struct Listings {
    memory: Cache<String, Made, ByFiles>,
    /// The names of the listings on disk that this process wrote or read.
    on_disk: Mutex<HashSet<String>>,
    disk: Option<Disk>,
}

/// Weighs a listing by the number of its files.
#[derive(Clone, Debug)]
struct ByFiles;

impl Weighter<String, Made> for ByFiles {
    fn weight(&self, _: &String, (_, files): &Made) -> u64 {
        // A listing without files takes space, too.
        files.len() as u64 + 1
    }
}

/// The time of a listing, and its files.
type Made = (Instant, Arc<Vec<ObjectMeta>>);

/// A listed file, as it is stored on disk.
#[derive(Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: u64,
    modified_micros: i64,
    tag: Option<String>,
    version: Option<String>,
}

impl Listings {
    pub(crate) fn new(disk: Option<Disk>) -> Self {
        let memory = bounded(LISTINGS, FILES_MAX, ByFiles);
        Self { memory, on_disk: Mutex::default(), disk }
    }

    /// The cached listing of this name, if it is at most `age_max` old. A zero `age_max` finds
    /// nothing.
    pub(crate) fn find(&self, name: &str, age_max: Duration) -> Option<Vec<ObjectMeta>> {
        if age_max.is_zero() {
            return None;
        }
        if let Some((made, files)) = self.memory.get(name)
            && made.elapsed() <= age_max
        {
            return Some(files.to_vec());
        }
        let stored = self.disk.as_ref()?.read(&key(name), Some(age_max))?;
        self.on_disk().insert(name.to_owned());
        let listed: Vec<Listed> = serde_json::from_slice(&stored).ok()?;
        let files = listed.into_iter().map(|file| ObjectMeta {
            location: Path::from(file.path),
            last_modified: DateTime::from_timestamp_micros(file.modified_micros)
                .unwrap_or_default(),
            size: file.bytes,
            e_tag: file.tag,
            version: file.version,
        });
        Some(files.collect())
    }

    /// Caches a listing that was made just now.
    pub(crate) fn insert(&self, name: &str, files: &[ObjectMeta]) {
        let entry = (Instant::now(), Arc::new(files.to_vec()));
        self.memory.insert(name.to_owned(), entry);
        let Some(disk) = &self.disk else { return };
        self.on_disk().insert(name.to_owned());
        let listed = files.iter().map(|file| Listed {
            path: file.location.to_string(),
            bytes: file.size,
            modified_micros: file.last_modified.timestamp_micros(),
            tag: file.e_tag.clone(),
            version: file.version.clone(),
        });
        if let Ok(json) = serde_json::to_vec(&listed.collect::<Vec<_>>()) {
            disk.write(&key(name), &Bytes::from(json));
        }
    }

    /// Deletes all listings in memory. Deletes the listings on disk that this process wrote or
    /// read. For use when a listed file no longer exists.
    pub(crate) fn forget(&self) {
        self.memory.clear();
        let mut on_disk = self.on_disk();
        if let Some(disk) = &self.disk {
            on_disk.iter().for_each(|name| disk.remove(&key(name)));
        }
        on_disk.clear();
    }

    fn on_disk(&self) -> MutexGuard<'_, HashSet<String>> {
        self.on_disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(name: &str) -> String {
    format!("listing {name}")
}
