//! Cached listings of a remote store. A query may reuse a listing for as long as its caller allows.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::DateTime;
use object_store::{ObjectMeta, path::Path};
use serde::{Deserialize, Serialize};

use crate::store::cache::disk::Disk;

/// The last listings, in memory and, if there is a cache folder, on disk.
#[derive(Debug)]
pub(crate) struct Listings {
    memory: Mutex<HashMap<String, Made>>,
    /// The names of the listings that were read from disk.
    found: Mutex<HashSet<String>>,
    disk: Option<Disk>,
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
        Self { memory: Mutex::default(), found: Mutex::default(), disk }
    }

    /// The cached listing of this name, if it is at most `age_max` old. A zero `age_max` finds
    /// nothing.
    pub(crate) fn find(&self, name: &str, age_max: Duration) -> Option<Vec<ObjectMeta>> {
        if age_max.is_zero() {
            return None;
        }
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, files)) = memory.get(name)
            && made.elapsed() <= age_max
        {
            return Some(files.to_vec());
        }
        drop(memory);
        let stored = self.disk.as_ref()?.read(&key(name), Some(age_max))?;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
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
    pub(crate) fn keep(&self, name: &str, files: &[ObjectMeta]) {
        let entry = (Instant::now(), Arc::new(files.to_vec()));
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), entry);
        let Some(disk) = &self.disk else { return };
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
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(disk) = &self.disk {
            memory.keys().chain(found.iter()).for_each(|name| disk.remove(&key(name)));
        }
        memory.clear();
        found.clear();
    }
}

fn key(name: &str) -> String {
    format!("listing {name}")
}
