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

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};
use tokio::sync::OnceCell;

use crate::{
    base::{Day, Error, ErrorKind, Result},
    model::{
        Base, Fingerprint, Leaf, LeafDay, LeafId, LeafKind, Manifest, ManifestState, Period,
        Remains, SegmentFile,
    },
    store::{
        ManifestTag, Root,
        layout::{MANIFEST_FOLDER, file_name, manifest_path, raw_path},
        list::{
            foreign::{foreign_leaf, is_absorbed_foreign, is_copy, told_by_footer},
            period_folder::PeriodFolder,
            raw_name::{RawName, Writer},
        },
        list_raw, read_manifest,
    },
};

/// How many small reads run at once.
const CONCURRENT_READS: usize = 16;

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
    newer: Option<Path>,
    live: OnceCell<Arc<LeafDay>>,
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
    fn unannounced(&self) -> impl Iterator<Item = &WrittenFile> {
        let is_intended =
            move |file: &WrittenFile| self.intents.iter().any(|(writer, _)| *writer == file.writer);
        self.unfinished().filter(move |file| !file.is_of_format_1() && !is_intended(file))
    }

    /// The day's live files, computed once. The manifest is read only when the names don't
    /// decide. A damaged day is no error: [`LeafDay::damage`] says what is wrong.
    ///
    /// # Errors
    /// The store's error when a listing or a read fails.
    pub(crate) async fn live(&self, root: &Root) -> Result<Arc<LeafDay>> {
        let found = self.live.get_or_try_init(|| async {
            let (mut live, mut missing) = self.decide(root).await?;
            // A path that seems missing may have been replaced while the day was listed, or a
            // writer may have withdrawn. A path counts as missing only if two listings in a row
            // report it.
            let root = root.with_new_listings();
            while !missing.is_empty() {
                let listed = list_raw(&root, (self.day, self.day)).await?;
                let Some(again) = listed.first() else {
                    return Ok(Arc::new(LeafDay::new(self.day, Vec::new())));
                };
                let (now, still) = again.decide(&root).await?;
                live = now;
                if still.iter().any(|path| missing.contains(path)) {
                    break;
                }
                missing = still;
            }
            Ok(Arc::new(live))
        });
        found.await.cloned()
    }

    /// The live files and the missing paths by this listing. Another listing may differ.
    async fn decide(&self, root: &Root) -> Result<(LeafDay, Vec<Path>)> {
        if let Some(newer) = &self.newer {
            let what = format!(
                "{}: is of a newer format than this program knows; use a newer tallybook",
                root.full_name(newer)
            );
            return Ok((LeafDay::damaged(self.day, ErrorKind::Invalid, what), Vec::new()));
        }
        if let Some(file) = self.unannounced().next() {
            let what = format!(
                "{}: no manifest and no intent of generation {} is in `_m/`, as after a copy that \
                 left that folder out; copy that folder again, or `repair {}`",
                root.full_name(&file.file.location),
                file.writer.generation,
                self.day
            );
            let missing = self.unannounced().map(|file| file.file.location.clone()).collect();
            return Ok((LeafDay::damaged(self.day, ErrorKind::Corrupt, what), missing));
        }
        if let Some(live) = self.newest_tag().and_then(|tag| self.by_name(tag)) {
            return Ok((live, Vec::new()));
        }
        match self.read_newest(root).await {
            Ok(manifest) => self.by_manifest(root, manifest).await,
            Err(error) => match error.kind() {
                // A manifest is never deleted, so the store denies a file that it lists.
                ErrorKind::NotFound if self.newest_file().is_some() => {
                    let what = format!("{error}, though the store lists it");
                    Err(Error::unavailable(what).with_source(error))
                }
                kind @ (ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Invalid) => {
                    let kind = if kind == ErrorKind::Invalid { kind } else { ErrorKind::Corrupt };
                    let manifest = manifest_path(self.day, self.newest().unwrap_or_default());
                    let damaged = LeafDay::damaged(self.day, kind, error.to_string());
                    Ok((damaged, vec![manifest]))
                }
                _ => Err(error),
            },
        }
    }

    /// The day's live files by names alone; `None` when the manifest must be read.
    fn by_name(&self, tag: &ManifestTag) -> Option<LeafDay> {
        let all_in_it = self.leaves.is_empty()
            || Fingerprint::of(self.leaves.iter().map(|leaf| &leaf.id)) == tag.fingerprint;
        if !all_in_it {
            return None;
        }
        let base = Base {
            generation: tag.generation,
            fingerprint: tag.fingerprint.clone(),
            purged: tag.purged,
            listed: self.newest_file().cloned(),
            manifest: None,
        };
        let is_of = |file: &&WrittenFile| {
            let Writer { generation, attempt } = &file.writer;
            (*generation, attempt) == (tag.generation, &tag.attempt)
                && file.remains.is_some() == tag.purged
        };
        let files: Vec<_> = self.written.iter().filter(is_of).collect();
        // Either the listing lags, or it has a file without rows, which the tag doesn't count.
        // The manifest names all files.
        if files.len() != tag.files {
            return None;
        }
        if !tag.purged {
            let leaves = files.into_iter().map(|file| self.compacted_leaf(file.file.clone()));
            return Some(LeafDay::with_base(self.day, leaves.collect(), Some(base)));
        }
        let remains = files.into_iter().filter_map(|file| {
            let segment = self.remains(&tag.fingerprint, file.file.clone());
            Some((file.remains.clone()?, segment))
        });
        let remains = remains.collect();
        let leaves = vec![self.purged(tag.generation)];
        Some(LeafDay { remains, ..LeafDay::with_base(self.day, leaves, Some(base)) })
    }

    /// The day's live files by the manifest, and the missing paths that it names.
    async fn by_manifest(
        &self,
        root: &Root,
        manifest: Option<Arc<Manifest>>,
    ) -> Result<(LeafDay, Vec<Path>)> {
        let mut leaves = self.loose(root, manifest.as_deref()).await?;
        let Some(manifest) = manifest else {
            return Ok((LeafDay::new(self.day, leaves), Vec::new()));
        };
        let purged = manifest.state == ManifestState::Purged;
        if purged {
            leaves.push(self.purged(manifest.generation));
        }
        let mut lost = Vec::new();
        for file in manifest.files.iter().filter(|file| file.rows > 0) {
            let location = raw_path(self.day, &file.name);
            let found = self.find(root, &location).await?;
            if found.is_none() {
                // Hints may still answer. A query that would read the file fails.
                lost.push(location.clone());
            }
            let found = found.unwrap_or_else(|| unlisted(location, file.bytes));
            leaves.push(self.compacted_leaf(found));
        }
        let fingerprint = manifest.fingerprint();
        let mut remains = BTreeMap::new();
        for Remains { file, hash, .. } in &manifest.remains {
            let location = raw_path(self.day, &file.name);
            match self.find(root, &location).await? {
                Some(found) => {
                    remains.insert(hash.clone(), self.remains(&fingerprint, found));
                }
                None => lost.push(location),
            }
        }
        let base = Base {
            generation: manifest.generation,
            fingerprint,
            purged,
            listed: self.newest_file().cloned(),
            manifest: Some(manifest),
        };
        let missing = lost.clone();
        let live = LeafDay::with_base(self.day, leaves, Some(base));
        Ok((LeafDay { remains, lost, ..live }, missing))
    }

    /// The leaves that the manifest hasn't absorbed, without copies of files that count already.
    async fn loose(&self, root: &Root, manifest: Option<&Manifest>) -> Result<Vec<Arc<Leaf>>> {
        let is_absorbed = |leaf: &&Arc<Leaf>| {
            manifest.is_some_and(|manifest| manifest.absorbed(&leaf.id).is_some())
        };
        let loose = self.leaves.iter().filter(|leaf| !is_absorbed(leaf)).cloned();
        let loose = stream::iter(loose.collect::<Vec<_>>()).map(|leaf| async move {
            let leaf = told_by_footer(root, leaf).await?;
            let known = leaf.kind == LeafKind::Foreign
                && (is_copy(root, (&self.leaves, manifest), &leaf).await?
                    || match manifest {
                        None => false,
                        Some(manifest) => is_absorbed_foreign(root, manifest, &leaf.file).await?,
                    });
            Ok::<_, Error>((!known).then_some(leaf))
        });
        let loose: Vec<_> = loose.buffered(CONCURRENT_READS).try_collect().await?;
        Ok(loose.into_iter().flatten().collect())
    }

    /// A file that a manifest names, as listed or else as the store reports it; `None` when the
    /// store doesn't have the file.
    async fn find(&self, root: &Root, location: &Path) -> Result<Option<ObjectMeta>> {
        let mut written = self.written.iter().map(|written| &written.file);
        match written.find(|listed| listed.location == *location) {
            Some(listed) => Ok(Some(listed.clone())),
            None => root.look(location).await,
        }
    }

    fn compacted_leaf(&self, file: ObjectMeta) -> Arc<Leaf> {
        let id = LeafId::of_compacted(file.location.as_ref());
        Arc::new(Leaf { id, day: self.day, kind: LeafKind::Compacted, file })
    }

    fn remains(&self, fingerprint: &Fingerprint, file: ObjectMeta) -> Arc<SegmentFile> {
        Arc::new(SegmentFile {
            period: Period::Day(self.day),
            fingerprint: fingerprint.clone(),
            file,
        })
    }

    /// A leaf that stands for the purged rows. Its file is the manifest, which can't be read as
    /// rows.
    fn purged(&self, generation: u32) -> Arc<Leaf> {
        let file = unlisted(manifest_path(self.day, generation), 0);
        let id = LeafId::of_compacted(file.location.as_ref());
        Arc::new(Leaf { id, day: self.day, kind: LeafKind::Purged, file })
    }
}

/// The metadata of a file that wasn't listed: only its path and size are known.
fn unlisted(location: Path, size: u64) -> ObjectMeta {
    let last_modified = chrono::DateTime::UNIX_EPOCH;
    ObjectMeta { location, last_modified, size, e_tag: None, version: None }
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
                    folder.leaves.push(Arc::new(Leaf { id, day, kind, file }));
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
