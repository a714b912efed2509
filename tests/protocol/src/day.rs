//! One day's folder: manifests, the files of generations, intents, tags.

use crate::leaf::Ids;
use crate::rows::Rows;
use std::sync::Arc;

/// The days of the model.
pub const DAYS: usize = 2;

/// A generation's number and the attempt that wrote something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The generation, from 1.
    pub generation: u8,
    /// The attempt: no two runs of any process share one.
    pub attempt: u8,
}

/// What a manifest says of its generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Manifest {
    /// The attempt that created it.
    pub attempt: u8,
    /// Every identity absorbed by this generation or one before it.
    pub absorbed: Ids,
    /// Those that were voids when they were absorbed.
    pub as_void: Ids,
    /// A bit for each generation that an erasure committed.
    pub marks: u8,
    /// The files that the manifest names. None: it names none, and all rows are in leaves.
    pub named: Option<Key>,
    /// Whether the named files are remains.
    pub purged: bool,
    /// The definitions that have remains, a bit each.
    pub remains: u8,
    /// The listing key of the foreign file when it was absorbed.
    pub foreign_key: u8,
}

/// The files of one generation by one attempt. They are written and deleted part by part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataFiles {
    /// The generation and the attempt in their names.
    pub key: Key,
    /// How many of the parts are there.
    pub parts: u8,
    /// The rows in all parts together.
    pub rows: Rows,
    /// Whether their bytes are what their hashes say.
    pub intact: bool,
    /// The manifest that their footers allow to rebuild. Kept only where `repair` runs.
    pub footer: Option<Arc<Manifest>>,
}

/// One day's folder, without its leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Day {
    /// By generation, in order.
    pub manifests: Vec<(u8, Arc<Manifest>)>,
    /// By key, in order.
    pub files: Vec<DataFiles>,
    /// By key, in order.
    pub intents: Vec<Key>,
}

impl Day {
    /// The newest generation that has a manifest; 0: none has.
    #[must_use]
    pub fn newest(&self) -> u8 {
        self.manifests.last().map_or(0, |(generation, _)| *generation)
    }

    /// The manifest of one generation.
    #[must_use]
    pub fn manifest(&self, generation: u8) -> Option<&Arc<Manifest>> {
        self.manifests.iter().find(|(number, _)| *number == generation).map(|(_, found)| found)
    }

    /// Creates a manifest, if absent. False: its name is taken, and nothing has changed.
    pub fn create_manifest(&mut self, generation: u8, manifest: Arc<Manifest>) -> bool {
        if self.manifest(generation).is_some() {
            return false;
        }
        self.manifests.push((generation, manifest));
        self.manifests.sort_by_key(|(number, _)| *number);
        true
    }

    /// The files of one generation and attempt.
    #[must_use]
    pub fn data_files(&self, key: Key) -> Option<&DataFiles> {
        self.files.iter().find(|files| files.key == key)
    }

    /// Writes the next part of the files, the first of them with what all will hold.
    pub fn write_part(&mut self, files: DataFiles) {
        if let Some(there) = self.files.iter_mut().find(|there| there.key == files.key) {
            there.parts += 1;
            there.intact &= files.intact;
        } else {
            self.files.push(files);
            self.files.sort_by_key(|files| files.key);
        }
    }

    /// Deletes one part of the files. True: it was the last, or none was there.
    pub fn delete_part(&mut self, key: Key) -> bool {
        if let Some(there) = self.files.iter_mut().find(|there| there.key == key) {
            there.parts -= 1;
        }
        self.files.retain(|files| files.parts > 0);
        self.data_files(key).is_none()
    }

    /// Creates an intent.
    pub fn create_intent(&mut self, key: Key) {
        if !self.intents.contains(&key) {
            self.intents.push(key);
            self.intents.sort();
        }
    }

    /// Deletes an intent.
    pub fn delete_intent(&mut self, key: Key) {
        self.intents.retain(|there| *there != key);
    }
}
