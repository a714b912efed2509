//! What counts of a day, by the files in its folder.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectMeta, path::Path};

use crate::{
    base::{Error, ErrorKind, Result},
    model::{
        Base, Fingerprint, Leaf, LeafDay, LeafId, LeafKind, Manifest, ManifestState, Period,
        Remains, SegmentFile,
    },
    store::{
        ManifestTag, Root,
        layout::{manifest_path, raw_path},
        list::{
            foreign::{is_absorbed_foreign, is_copy, told_by_footer},
            raw_name::Writer,
        },
        list_raw,
    },
};

use super::raw_folder::{RawFolder, WrittenFile};

/// How many small reads run at once.
const CONCURRENT_READS: usize = 16;

impl RawFolder {
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
        if purged {
            let beside = Arc::new(remains.clone());
            let with_remains = |leaf: &mut Arc<Leaf>| {
                let remains = Some(Arc::clone(&beside));
                *leaf = Arc::new(Leaf { remains, ..leaf.as_ref().clone() });
            };
            leaves.iter_mut().for_each(with_remains);
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
        Arc::new(Leaf { id, day: self.day, kind: LeafKind::Compacted, file, remains: None })
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
        Arc::new(Leaf { id, day: self.day, kind: LeafKind::Purged, file, remains: None })
    }
}

/// The metadata of a file that wasn't listed: only its path and size are known.
fn unlisted(location: Path, size: u64) -> ObjectMeta {
    let last_modified = chrono::DateTime::UNIX_EPOCH;
    ObjectMeta { location, last_modified, size, e_tag: None, version: None }
}
