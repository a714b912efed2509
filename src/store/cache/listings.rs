//! Listings of a remote store that queries may use again for a while, where their asker said so.

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

/// The last listings, in memory, and on disk where there is a folder.
#[derive(Debug)]
pub(crate) struct Listings {
    memory: Mutex<HashMap<String, Made>>,
    /// The names of listings that were found on the disk.
    found: Mutex<HashSet<String>>,
    disk: Option<Disk>,
}

/// A listing, and when it was made.
type Made = (Instant, Arc<Vec<ObjectMeta>>);

/// A file as it was listed.
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

    /// The listing of that name, if it was made no longer ago than that.
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

    /// Keeps a listing that was made just now.
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

    /// Forgets all listings, in memory and on the disk: a file of one of them is gone.
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
