//! A day's folder of raw files, and which of the files are live.
//!
//! ```text
//! no manifest:  every leaf
//! manifest:     its files, and the leaves that it hasn't absorbed
//! ```
//!
//! Absorbed leaves stay for a while beside the files that took in their rows. Other files can
//! come from a writer that died or came too late. Mostly the names are enough to decide: if the
//! folder has no leaves, or exactly the leaves of the manifest's fingerprint, the manifest has
//! absorbed all of them. Otherwise the manifest is read.
//!
//! A file of a generation above the newest manifest's is being written, and has an intent. A file
//! without an intent means that manifests are missing, for example after a copy without `_m/`.
//! The day is then damaged: no query reads the day, and no job changes or deletes its files.
//! `repair` can write a new manifest.

use std::sync::Arc;

use object_store::{ObjectMeta, path::Path};
use tokio::sync::OnceCell;

use crate::{
    base::{Day, Result},
    model::{Leaf, LeafDay, LeafKind, Manifest, Period},
    store::{
        ManifestTag, Root,
        layout::{MANIFEST_FOLDER, file_name},
        list::{
            foreign::foreign_leaf,
            period_folder::PeriodFolder,
            raw_name::{RawName, Writer},
        },
        read_manifest,
    },
};

/// The listed files of a day.
#[derive(Debug)]
pub(crate) struct RawFolder {
    /// The day.
    pub day: Day,
    /// All leaves in the folder, other tools' files included. A leaf whose name is of format 1
    /// counts as appended here: only its footer shows whether it is ours.
    pub leaves: Vec<Arc<Leaf>>,
    /// All files of merged rows and of remains in the folder.
    pub written: Vec<WrittenFile>,
    /// All manifests, each with its generation.
    pub manifests: Vec<(u32, ObjectMeta)>,
    /// All tags.
    pub tags: Vec<(ManifestTag, ObjectMeta)>,
    /// All intents.
    pub intents: Vec<(Writer, ObjectMeta)>,
    /// A file of a newer format, if there is one.
    pub(super) newer: Option<Path>,
    pub(super) live: OnceCell<Arc<LeafDay>>,
}

/// A file of merged rows or of remains, live or not.
#[derive(Clone, Debug)]
pub(crate) struct WrittenFile {
    /// The generation and the run that the file was written for.
    pub writer: Writer,
    /// The hash of the rollup's definition, for a file of remains.
    pub remains: Option<String>,
    /// Path, size and version.
    pub file: ObjectMeta,
}

impl WrittenFile {
    /// Whether the file's name is of format 1, which had no intents.
    fn is_of_format_1(&self) -> bool {
        file_name(&self.file.location).starts_with("c-")
    }
}

impl RawFolder {
    /// Whether the folder has a leaf, a file of merged rows or of remains, or a manifest.
    #[must_use]
    pub(crate) fn has_files(&self) -> bool {
        !self.leaves.is_empty() || !self.written.is_empty() || !self.manifests.is_empty()
    }

    /// The newest generation that has a manifest or a tag.
    #[must_use]
    pub(crate) fn newest(&self) -> Option<u32> {
        let manifests = self.manifests.iter().map(|(generation, _)| *generation);
        manifests.chain(self.tags.iter().map(|(tag, _)| tag.generation)).max()
    }

    /// The newest manifest's tag, if it was listed.
    #[must_use]
    pub(crate) fn newest_tag(&self) -> Option<&ManifestTag> {
        let newest = self.newest()?;
        self.tags.iter().map(|(tag, _)| tag).find(|tag| tag.generation == newest)
    }

    /// The newest manifest's file, if it was listed. A listing may have only the tag.
    #[must_use]
    pub(crate) fn newest_file(&self) -> Option<&ObjectMeta> {
        let newest = self.newest()?;
        let mut manifests = self.manifests.iter();
        manifests.find(|(generation, _)| *generation == newest).map(|(_, file)| file)
    }

    /// The newest manifest; `None` when the day has no manifest.
    ///
    /// # Errors
    /// As [`read_manifest`].
    pub(crate) async fn read_newest(&self, root: &Root) -> Result<Option<Arc<Manifest>>> {
        let Some(newest) = self.newest() else { return Ok(None) };
        read_manifest(root, self.day, newest, self.newest_file()).await.map(Some)
    }

    /// Whether the listing has an intent for a generation above the newest manifest's.
    #[must_use]
    pub(crate) fn is_being_written(&self) -> bool {
        let newest = self.newest().unwrap_or_default();
        self.intents.iter().any(|(writer, _)| writer.generation > newest)
    }

    /// The files of generations above the newest manifest's.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &WrittenFile> {
        let newest = self.newest().unwrap_or_default();
        self.written.iter().filter(move |file| file.writer.generation > newest)
    }

    /// The unfinished files without an intent. Files of format 1 are left out: format 1 had no
    /// intents.
    pub(super) fn unannounced(&self) -> impl Iterator<Item = &WrittenFile> {
        let is_intended =
            move |file: &WrittenFile| self.intents.iter().any(|(writer, _)| *writer == file.writer);
        self.unfinished().filter(move |file| !file.is_of_format_1() && !is_intended(file))
    }
}

impl PeriodFolder for RawFolder {
    type Name = RawName;

    const INNER: Option<&'static str> = Some(MANIFEST_FOLDER);

    fn parse(name: &str) -> Option<RawName> {
        RawName::parse(name)
    }

    fn is_ours(name: &RawName) -> bool {
        !matches!(name, RawName::Foreign | RawName::LeafOrForeign(_))
    }

    fn of(period: Period, files: Vec<(RawName, ObjectMeta)>) -> Self {
        let day = period.first();
        let mut folder = Self {
            day,
            leaves: Vec::new(),
            written: Vec::new(),
            manifests: Vec::new(),
            tags: Vec::new(),
            intents: Vec::new(),
            newer: None,
            live: OnceCell::new(),
        };
        for (name, file) in files {
            match name {
                RawName::Leaf(id) | RawName::LeafOrForeign(id) => {
                    let kind = LeafKind::Appended;
                    folder.leaves.push(Arc::new(Leaf { id, day, kind, file, remains: None }));
                }
                RawName::Foreign => folder.leaves.push(Arc::new(foreign_leaf(day, file))),
                RawName::Compacted(writer) => {
                    folder.written.push(WrittenFile { writer, remains: None, file });
                }
                RawName::Remains(writer, hash) => {
                    folder.written.push(WrittenFile { writer, remains: Some(hash), file });
                }
                RawName::Manifest(generation) => folder.manifests.push((generation, file)),
                RawName::Tag(tag) => folder.tags.push((tag, file)),
                RawName::Intent(writer) => folder.intents.push((writer, file)),
                RawName::Newer => folder.newer = Some(file.location),
            }
        }
        folder
    }
}
