//! Writing a day's manifest anew when it is lost or damaged, as after a copy which left out
//! `_m/`.
//!
//! The name of each file has its generation and the attempt of the run that wrote the file. The
//! footer of a run's last file says how many files there are and which leaves they account for.
//! So a manifest can be written anew if exactly one run's files of the highest generation are all
//! there, are whole, and account for every leaf that files of earlier generations account for.
//! The model in `tests/protocol` has each of these rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Day, Error, ErrorKind, Result, failpoint},
    model::{
        Fingerprint, LeafId, MANIFEST_FORMAT, Manifest, ManifestFile, ManifestState, Remains,
        sorted_ids,
    },
    store::{
        FileFooter, FileKind, ManifestTag, RawFolder, Root, SetFooter, Staging, Writer,
        WrittenFile, create_manifest, create_tag, file_footer, hash_now, list_raw, whole_file,
    },
};

/// A lost or damaged manifest that can be written anew.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The day.
    pub day: Day,
    /// The generation of the files that the manifest names.
    pub generation: u32,
    /// The number of these files.
    pub files: usize,
    /// The number of raw rows in the files; of a purged day, the number of rows that were purged.
    pub rows: u64,
    /// Whether the files are the remains of a purged day.
    pub purged: bool,
    /// The number of leaves that the files account for.
    pub leaves: usize,
    /// The number of leaves beside the files, which count by themselves.
    pub beside: usize,
    manifest: Manifest,
}

/// The manifest that the day needs; `None` when the day needs none.
///
/// # Errors
/// `NotFound` when the day has no raw files; `Corrupt`, with the reason, when its files don't
/// determine a manifest; `Invalid` when a newer program wrote a file; `Unavailable` when the
/// store refuses.
pub(crate) async fn conclude_repair(root: &Root, day: Day) -> Result<Option<Repair>> {
    let listed = list_raw(&root.with_new_listings(), (day, day)).await?;
    let Some(folder) = listed.first() else {
        return Err(Error::not_found(format!("{}: has no raw files of {day}", root.name())));
    };
    let live = folder.live(root).await?;
    match &live.damage {
        // This program knows nothing about the files of a newer program.
        Some(damage) if damage.kind == ErrorKind::Invalid => return Err(damage.to_error()),
        None if !live.lost.is_empty() => {
            let lost = live.lost.iter().map(|lost| root.full_name(lost)).collect::<Vec<_>>();
            let what = format!("{} is gone, and nothing replaces it", lost.join(", "));
            return Err(refused(day, &what));
        }
        // The day can be readable by its tag although the manifest is damaged.
        None if is_newest_whole(root, folder).await? => return Ok(None),
        Some(_) | None => {}
    }
    let newest = folder.newest().unwrap_or_default();
    let sets = sets_of(root, folder).await?;
    let highest = sets.keys().map(|writer| writer.generation).max().unwrap_or_default();
    let tag = folder.newest_tag();
    let of_highest = tag.filter(|tag| tag.generation == highest);
    let is_candidate = |writer: &Writer| {
        writer.generation == highest && of_highest.is_none_or(|tag| tag.attempt == writer.attempt)
    };
    let mut whole = sets.iter().filter(|(writer, set)| is_candidate(writer) && set.is_complete());
    let chosen = match (whole.next(), whole.next()) {
        (Some((_, set)), None) => Ok(set),
        (None, _) => Err(format!("files of generation {highest} are missing or damaged")),
        (Some(_), Some(_)) => Err(format!("two runs wrote all files of generation {highest}")),
    };
    let chosen = chosen.map_err(|what| refused(day, &what))?;
    let common = chosen.common().ok_or_else(|| Error::internal("a set without its end"))?;
    let known = ids_of(common);
    let before = sets.iter().filter(|(writer, _)| writer.generation < highest);
    let mut before = before.filter_map(|(_, set)| set.common()).flat_map(ids_of);
    if before.any(|id| !known.contains(id)) {
        let what = "files of earlier generations account for more than those of the last";
        return Err(refused(day, what));
    }
    // A manifest of a higher generation than its files can only repeat what the files say, as a
    // manifest that closed a generation does.
    let says_so = tag.is_some_and(|tag| tag.fingerprint == Fingerprint::of(known.iter().copied()));
    if newest > highest && !says_so {
        return Err(refused(day, "no file of its newest generation is there"));
    }
    // A damaged manifest is not deleted, so its name is taken: the next generation gets the
    // content.
    let number = newest.max(highest);
    let is_taken = folder.manifests.iter().any(|(generation, _)| *generation == number);
    let manifest = chosen.manifest(day, number + u32::from(is_taken))?;
    let absorbed = folder.leaves.iter().filter(|leaf| known.contains(&leaf.id)).count();
    Ok(Some(Repair {
        day,
        generation: highest,
        files: chosen.files.len(),
        rows: common.content.rows,
        purged: manifest.state == ManifestState::Purged,
        leaves: common.absorbed.len(),
        beside: folder.leaves.len() - absorbed,
        manifest,
    }))
}

/// Creates the manifest; `false` when another writer created one meanwhile.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn repair(root: &Root, staging: &Staging, repair: &Repair) -> Result<bool> {
    if !create_manifest(root, staging, repair.day, &repair.manifest).await? {
        return Ok(false);
    }
    failpoint("repair.manifest");
    create_tag(root, staging, repair.day, &ManifestTag::of(&repair.manifest)).await?;
    Ok(true)
}

/// Whether the newest manifest exists and parses; `true` when the day has no manifest.
async fn is_newest_whole(root: &Root, folder: &RawFolder) -> Result<bool> {
    let Some(newest) = folder.newest() else { return Ok(true) };
    let Some(listed) = folder.newest_file() else { return Ok(false) };
    let Some(bytes) = root.read(&listed.location).await? else { return Ok(false) };
    Ok(Manifest::parse(&bytes, folder.day, newest).is_ok())
}

/// The ids that a set's files account for: leaves, and marks of erasures.
fn ids_of(common: &SetFooter) -> BTreeSet<&LeafId> {
    common.absorbed.iter().map(|absorbed| &absorbed.id).chain(&common.marks).collect()
}

fn refused(day: Day, why: &str) -> Error {
    Error::corrupt(format!(
        "day {day}: its manifest can't be written anew: {why}; nothing was changed. Copy the \
         day's folder again, with `_m/`"
    ))
}

/// The files that one run wrote for one generation.
struct WrittenSet {
    /// The files that are whole, with their footers.
    files: Vec<(ManifestFile, FileFooter)>,
    /// Whether all files of the set that are there are whole.
    is_whole: bool,
}

/// All sets, by generation and attempt. Below the highest generation only footers are read.
async fn sets_of(root: &Root, folder: &RawFolder) -> Result<BTreeMap<Writer, WrittenSet>> {
    let highest = folder.written.iter().map(|file| file.writer.generation).max();
    let mut sets: BTreeMap<Writer, WrittenSet> = BTreeMap::new();
    for WrittenFile { writer, file, .. } in &folder.written {
        let set = sets.entry(writer.clone());
        let set = set.or_insert_with(|| WrittenSet { files: Vec::new(), is_whole: true });
        let is_highest = Some(writer.generation) == highest;
        let footer =
            if is_highest { whole_file(root, file).await } else { file_footer(root, file).await };
        let footer = match footer {
            Ok(footer) => footer,
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            Err(_) => {
                set.is_whole = false;
                continue;
            }
        };
        let blake3 = if is_highest { hash_now(root, file).await? } else { String::new() };
        let name = file.location.filename().unwrap_or_default().to_owned();
        let rows = footer.rows().unwrap_or_default();
        set.files.push((ManifestFile { name, bytes: file.size, rows, blake3 }, footer));
    }
    Ok(sets)
}

impl WrittenSet {
    /// The data that all files of the set share, from the footer of the last file.
    fn common(&self) -> Option<&SetFooter> {
        self.files.iter().find_map(|(_, footer)| footer.set())
    }

    /// Whether all files are there, each once.
    fn is_complete(&self) -> bool {
        let parts = self.files.iter().filter_map(|(_, footer)| footer.part());
        let parts: BTreeSet<usize> = parts.collect();
        let Some(common) = self.common() else { return false };
        self.is_whole && self.files.len() == common.files && parts == (0..common.files).collect()
    }

    /// The manifest that names these files.
    fn manifest(&self, day: Day, generation: u32) -> Result<Manifest> {
        let common = self.common().ok_or_else(|| Error::internal("a set without its end"))?;
        let (mut files, mut remains, mut definitions) = (Vec::new(), Vec::new(), Vec::new());
        let mut attempt = String::new();
        for (file, footer) in &self.files {
            match &footer.kind {
                FileKind::Remains(of) => {
                    attempt.clone_from(&of.attempt);
                    let known = definitions.iter().position(|text| *text == of.dataset);
                    let definition = known.unwrap_or_else(|| {
                        definitions.push(of.dataset.clone());
                        definitions.len() - 1
                    });
                    let (rollup, hash) = (of.rollup.clone(), of.definition.clone());
                    remains.push(Remains { file: file.clone(), rollup, hash, definition });
                }
                FileKind::Compacted(of) => {
                    attempt.clone_from(&of.attempt);
                    files.push(file.clone());
                }
                FileKind::Leaf(_) | FileKind::Segment(_) | FileKind::Month(_) => {}
            }
        }
        Ok(Manifest {
            format: MANIFEST_FORMAT,
            generation,
            date: day.to_string(),
            attempt,
            previous: None,
            state: if remains.is_empty() { ManifestState::Open } else { ManifestState::Purged },
            absorbed: common.absorbed.clone(),
            marks: sorted_ids(common.marks.iter().cloned()),
            files,
            content: common.content.clone(),
            remains,
            definitions,
            hash: String::new(),
            ids: Vec::new(),
        })
    }
}
