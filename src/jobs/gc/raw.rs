//! The dead files among a day's raw files. Pure.
//!
//! | dead file | why | waits for the grace period |
//! |---|---|---|
//! | a leaf that the newest manifest absorbed | its rows are in the manifest's files | yes |
//! | a file of the newest generation or an earlier one that the newest manifest doesn't name | only a manifest of its own generation could have named it first, and that manifest exists | yes |
//! | a tag below the newest generation, an intent up to it | nobody reads them any more | yes |
//! | a file above the newest generation, and its intent | no manifest can name it once the generation is closed | until it is abandoned |
//!
//! Never dead: manifests, voids, claims, definitions, files of other tools, names that aren't ours.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{DateTime, Utc};
use object_store::{ObjectMeta, path::Path};

use crate::{
    model::{Leaf, LeafKind, Manifest},
    store::{RawFolder, raw_path},
};

/// The dead files of a day, by its listing and its newest manifest.
#[derive(Debug, Default)]
pub(super) struct Dead {
    /// Leaves that were absorbed. Before one is deleted, its footer must prove that it is that
    /// leaf.
    pub(super) leaves: Vec<Arc<Leaf>>,
    /// Files that no manifest names, or that a newer manifest replaced.
    pub(super) files: Vec<ObjectMeta>,
    /// Files of generations without a manifest, and their intents: dead once closed.
    pub(super) unfinished: Vec<ObjectMeta>,
    /// The last generation to close before the unfinished files are deleted.
    pub(super) close: u32,
}

impl Dead {
    /// Whether a file is deleted whose rows the manifest's files must have.
    pub(super) fn needs_proof(&self) -> bool {
        !(self.leaves.is_empty() && self.files.is_empty())
    }

    /// The dead files. Absorbed and replaced files are dead only if the newest manifest is as old
    /// as `before`, or older. An unfinished file is dead only if it is as old as `abandoned`, or
    /// older.
    pub(super) fn of(
        folder: &RawFolder,
        manifest: Option<&Manifest>,
        (before, abandoned): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let newest = folder.newest().unwrap_or_default();
        let mut dead = Self::default();
        let is_old = |file: &ObjectMeta| file.last_modified <= before;
        let settled = folder.newest_file().is_some_and(is_old);
        if let Some(manifest) = manifest.filter(|_| settled) {
            let named = named(folder, manifest);
            let absorbed = folder.leaves.iter().filter(|leaf| {
                leaf.kind == LeafKind::Appended
                    && manifest.absorbed(&leaf.id).is_some_and(|absorbed| !absorbed.void)
            });
            dead.leaves = absorbed.cloned().collect();
            let files = folder.written.iter().filter(|file| file.writer.generation <= newest);
            let files = files.map(|file| &file.file).filter(|it| !named.contains(&it.location));
            let tags = folder.tags.iter().filter(|(tag, _)| tag.generation < newest);
            let intents = folder.intents.iter().filter(|(it, _)| it.generation <= newest);
            let beside = tags.map(|(_, file)| file).chain(intents.map(|(_, file)| file));
            dead.files = files.chain(beside).cloned().collect();
        }
        let is_abandoned = |file: &ObjectMeta| file.last_modified <= abandoned;
        let files = folder.unfinished().filter(|file| is_abandoned(&file.file));
        let intents = folder.intents.iter().filter(|(it, _)| it.generation > newest);
        let intents = intents.filter(|(_, file)| is_abandoned(file));
        dead.close = folder.unfinished().map(|file| file.writer.generation).max().unwrap_or(newest);
        let last = intents.clone().map(|(writer, _)| writer.generation).max().unwrap_or(newest);
        dead.close = dead.close.max(last);
        // Files first: a file without its intent would look like a lost manifest.
        dead.unfinished = files
            .map(|file| file.file.clone())
            .chain(intents.map(|(_, file)| file.clone()))
            .collect();
        dead
    }
}

/// The paths that the manifest names.
fn named(folder: &RawFolder, manifest: &Manifest) -> BTreeSet<Path> {
    let remains = manifest.remains.iter().map(|remains| &remains.file);
    let files = manifest.files.iter().chain(remains);
    files.map(|file| raw_path(folder.day, &file.name)).collect()
}
