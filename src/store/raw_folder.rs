//! A day's folder of raw files, and which of them count.
//!
//! ```text
//! no manifest:  every leaf
//! manifest:     its files, and the leaves that it doesn't account for
//! ```
//!
//! Leaves that a manifest accounts for stay for a while beside the files that took their rows in,
//! and other files can be those of a compaction that died or came too late. Mostly names are enough
//! to tell: if there are no loose leaves, or exactly those of the manifest's fingerprint, all of
//! them are in its files. Only else is the manifest read.

use std::sync::Arc;

use object_store::{ObjectMeta, path::Path};
use tokio::sync::OnceCell;

use super::{
    Base, Leaf, LeafDay, LeafKind, ManifestTag, Root,
    files::DayFolder,
    layout::{RawName, manifest_path, raw_path},
    read_manifest,
};
use crate::{
    base::{Day, Result},
    model::{Fingerprint, LeafId, Manifest, ManifestState},
};

/// What was listed of a day.
#[derive(Debug)]
pub(crate) struct RawFolder {
    /// The day.
    pub day: Day,
    /// All leaves that are there.
    pub leaves: Vec<Arc<Leaf>>,
    /// All compacted files that are there.
    pub compacted: Vec<CompactedFile>,
    /// All manifests, by generation.
    pub manifests: Vec<(u32, ObjectMeta)>,
    /// All tags.
    pub tags: Vec<(ManifestTag, ObjectMeta)>,
    live: OnceCell<Arc<LeafDay>>,
}

/// A compacted file, live or not.
#[derive(Clone, Debug)]
pub(crate) struct CompactedFile {
    /// The generation that it was written for.
    pub generation: u32,
    /// The run that wrote it.
    pub attempt: String,
    /// Path, size and version.
    pub file: ObjectMeta,
}

impl RawFolder {
    /// The generation of the newest manifest.
    #[must_use]
    pub(crate) fn newest(&self) -> Option<u32> {
        let manifests = self.manifests.iter().map(|(generation, _)| *generation);
        manifests.chain(self.tags.iter().map(|(tag, _)| tag.generation)).max()
    }

    /// The newest manifest's tag.
    #[must_use]
    pub(crate) fn newest_tag(&self) -> Option<&ManifestTag> {
        let newest = self.newest()?;
        self.tags.iter().map(|(tag, _)| tag).find(|tag| tag.generation == newest)
    }

    /// The newest manifest's file, if not only its tag was listed.
    #[must_use]
    pub(crate) fn newest_file(&self) -> Option<&ObjectMeta> {
        let newest = self.newest()?;
        let mut manifests = self.manifests.iter();
        manifests.find(|(generation, _)| *generation == newest).map(|(_, file)| file)
    }

    /// The newest manifest; `None` when there is none at all.
    ///
    /// # Errors
    /// As [`read_manifest`].
    pub(crate) async fn read_newest(&self, root: &Root) -> Result<Option<Arc<Manifest>>> {
        let Some(newest) = self.newest() else { return Ok(None) };
        read_manifest(root, self.day, newest, self.newest_file()).await.map(Some)
    }

    /// What counts. The manifest is read once, if at all.
    ///
    /// # Errors
    /// What reading the manifest meets.
    pub(super) async fn live(&self, root: &Root) -> Result<Arc<LeafDay>> {
        let found = self.live.get_or_try_init(|| async {
            if let Some(live) = self.newest_tag().and_then(|tag| self.by_name(tag)) {
                return Ok(Arc::new(live));
            }
            Ok(Arc::new(match self.read_newest(root).await? {
                None => LeafDay::new(self.day, self.leaves.clone()),
                Some(manifest) => self.by_manifest(manifest),
            }))
        });
        found.await.cloned()
    }

    /// What counts, where names tell it.
    fn by_name(&self, tag: &ManifestTag) -> Option<LeafDay> {
        let all_in_it = self.leaves.is_empty()
            || Fingerprint::of(self.leaves.iter().map(|leaf| &leaf.id)) == tag.fingerprint;
        if !all_in_it {
            return None;
        }
        let base = Base {
            generation: tag.generation,
            fingerprint: tag.fingerprint.clone(),
            purged: tag.files.is_none(),
            listed: self.newest_file().cloned(),
            manifest: None,
        };
        let leaves = match tag.files {
            None => vec![self.purged(tag.generation)],
            Some(count) => {
                let files = self.compacted.iter().filter(|file| file.attempt == tag.attempt);
                let files: Vec<_> = files.collect();
                // A listing that lags; the manifest knows them all.
                if files.len() != count {
                    return None;
                }
                files.into_iter().map(|file| self.compacted_leaf(file.file.clone())).collect()
            }
        };
        Some(LeafDay::with_base(self.day, leaves, Some(base)))
    }

    fn by_manifest(&self, manifest: Arc<Manifest>) -> LeafDay {
        let loose = self.leaves.iter().filter(|leaf| !manifest.absorbs(&leaf.id));
        let mut leaves: Vec<_> = loose.cloned().collect();
        let purged = manifest.state == ManifestState::Purged;
        if purged {
            leaves.push(self.purged(manifest.generation));
        }
        for file in &manifest.files {
            let location = raw_path(self.day, &file.name);
            let mut listed = self.compacted.iter().map(|listed| &listed.file);
            let listed = listed.find(|listed| listed.location == location).cloned();
            leaves.push(
                self.compacted_leaf(listed.unwrap_or_else(|| unlisted(location, file.bytes))),
            );
        }
        let base = Base {
            generation: manifest.generation,
            fingerprint: manifest.fingerprint(),
            purged,
            listed: self.newest_file().cloned(),
            manifest: Some(manifest),
        };
        LeafDay::with_base(self.day, leaves, Some(base))
    }

    fn compacted_leaf(&self, file: ObjectMeta) -> Arc<Leaf> {
        let id = LeafId::of_compacted(file.location.as_ref());
        Arc::new(Leaf { id, day: self.day, kind: LeafKind::Compacted, file })
    }

    fn purged(&self, generation: u32) -> Arc<Leaf> {
        let file = unlisted(manifest_path(self.day, generation), 0);
        let id = LeafId::of_compacted(file.location.as_ref());
        Arc::new(Leaf { id, day: self.day, kind: LeafKind::Purged, file })
    }
}

/// A file that a manifest names, as far as it says.
fn unlisted(location: Path, size: u64) -> ObjectMeta {
    let last_modified = chrono::DateTime::UNIX_EPOCH;
    ObjectMeta { location, last_modified, size, e_tag: None, version: None }
}

impl DayFolder for RawFolder {
    type Name = RawName;

    const INNER: Option<&'static str> = Some(super::layout::MANIFEST_FOLDER);

    fn parse(name: &str) -> Option<RawName> {
        RawName::parse(name)
    }

    fn is_ours(name: &RawName) -> bool {
        match name {
            RawName::Leaf(stem) => LeafId::parse(stem).is_some(),
            RawName::Compacted { .. } | RawName::Manifest(_) | RawName::Tag(_) => true,
        }
    }

    fn of(day: Day, files: Vec<(RawName, ObjectMeta)>) -> Self {
        let mut folder = Self {
            day,
            leaves: Vec::new(),
            compacted: Vec::new(),
            manifests: Vec::new(),
            tags: Vec::new(),
            live: OnceCell::new(),
        };
        for (name, file) in files {
            match name {
                RawName::Leaf(stem) => folder.leaves.push(Arc::new(leaf(day, &stem, file))),
                RawName::Compacted { generation, attempt } => {
                    folder.compacted.push(CompactedFile { generation, attempt, file });
                }
                RawName::Manifest(generation) => folder.manifests.push((generation, file)),
                RawName::Tag(tag) => folder.tags.push((tag, file)),
            }
        }
        folder
    }
}

fn leaf(day: Day, stem: &str, file: ObjectMeta) -> Leaf {
    match LeafId::parse(stem) {
        Some(id) => Leaf { id, day, kind: LeafKind::Appended, file },
        None => Leaf { id: foreign_id(&file), day, kind: LeafKind::Foreign, file },
    }
}

fn foreign_id(file: &ObjectMeta) -> LeafId {
    let version = match (&file.e_tag, &file.version) {
        (Some(tag), _) => tag.clone(),
        (None, Some(version)) => version.clone(),
        (None, None) => file.last_modified.to_rfc3339(),
    };
    LeafId::of_foreign(file.location.as_ref(), file.size, &version)
}
