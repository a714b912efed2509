//! Voids: a void is a leaf without rows whose file keeps the leaf's name from being used.
//!
//! An erasure voids the leaves that are claimed and not published yet. A writer that replaces a
//! claim voids the claim's first leaf. A void's file is never deleted: a writer that slept must
//! find the name taken.

use std::sync::Arc;

use object_store::path::Path;

use crate::{
    base::{Day, Error, ErrorKind, Month, Result},
    model::{ContentHasher, Dataset, EventProof, LeafId, SegmentFile},
    store::{
        ChecksummedWriter, Creation, FileKind, LeafFooter, Packing, Root, Staging, Void,
        create_file, delete_file, file_footer, layout::leaf_path, list_segments, newest_manifest,
        read_footer,
    },
};

/// The result of an attempt to create a void.
#[derive(Debug)]
pub(crate) enum Voiding {
    /// The void was created.
    Done,
    /// The name was taken by a leaf or by another void. Holds the footer metadata of the file
    /// with the name.
    Taken(Box<LeafFooter>),
}

/// Creates a void at a leaf's name.
///
/// If no file has the name, but hints of the day were built from the leaf, the leaf was visible
/// and is lost. These hints are deleted first: the void has the leaf's id, so the hints would
/// appear to be built from present leaves. The void then records that a leaf was lost. All hints
/// of the leaf's month are deleted in any case, unless a file has the name.
///
/// # Errors
/// `Unavailable` when the store refuses; `Corrupt` when the file at the name can't be read; any
/// other error from the store.
pub(crate) async fn create_void(
    root: &Root,
    staging: &Staging,
    dataset: &Dataset,
    (batch, claim, day, id): (&str, u32, Day, &LeafId),
    void: Void,
) -> Result<Voiding> {
    let target = leaf_path(day, id);
    let lost =
        leaf_at(root, &target).await?.is_none() && delete_hints_of(root, dataset, day, id).await?;
    let attempt = format!("{:032x}", rand::random::<u128>());
    let (path, file) = staging.create(&format!("void-{attempt}.parquet"))?;
    let packing = Packing::Small { distinct: &[] };
    let writer = ChecksummedWriter::try_new(path, file, dataset.file_schema(), packing)?;
    let footer = LeafFooter {
        id: id.clone(),
        batch: batch.to_owned(),
        date: day.to_string(),
        part: 0,
        claim: Some(claim),
        content: ContentHasher::new().finish(),
        attempt,
        void: Some(void),
        events: dataset.unique().map(EventProof::of_no_rows),
        lost,
    };
    let (staged, _) = writer.finish(FileKind::Leaf(footer.clone()))?;
    let read_back = || async {
        Ok(match leaf_at(root, &target).await? {
            None => None,
            Some(found) if found.attempt == footer.attempt => Some(Creation::New),
            Some(_) => Some(Creation::Same),
        })
    };
    let created = create_file(root, &target, &staged, read_back).await;
    drop(std::fs::remove_file(staged));
    match created? {
        Creation::New => Ok(Voiding::Done),
        Creation::Same => {
            let found = leaf_at(root, &target).await?;
            let name = || root.full_name(&target);
            let gone = || Error::unavailable(format!("{}: was there, and is gone", name()));
            Ok(Voiding::Taken(Box::new(found.ok_or_else(gone)?)))
        }
    }
}

/// The hints of a day that were built from the leaf. Damaged hints are left out.
///
/// # Errors
/// Any error from the store.
pub(crate) async fn hints_of(
    root: &Root,
    dataset: &Dataset,
    day: Day,
    id: &LeafId,
) -> Result<Vec<Arc<SegmentFile>>> {
    let mut found = Vec::new();
    for rollup in dataset.all_rollups() {
        let listed = list_segments(root, rollup, (day, day)).await?;
        for segment in listed.days.iter().flat_map(|of_day| &of_day.segments) {
            match file_footer(root, &segment.file).await {
                // The hint is gone, or damaged and therefore unused.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {}
                Err(error) => return Err(error),
                Ok(footer) => {
                    if footer.segment().is_some_and(|footer| footer.leaves.contains(id)) {
                        found.push(Arc::clone(segment));
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Deletes the day's hints that were built from the leaf, and all hints of its month. `true` when
/// a hint of the day was deleted.
///
/// The footer of a month's hint doesn't list leaves. But the void is a new leaf of the month, so
/// no such hint can serve any more.
async fn delete_hints_of(root: &Root, dataset: &Dataset, day: Day, id: &LeafId) -> Result<bool> {
    let Some(month) = Month::of(day) else { return Ok(false) };
    for rollup in dataset.all_rollups() {
        let listed = list_segments(root, rollup, (month.first(), month.last())).await?;
        for segment in listed.months.iter().flat_map(|found| &found.segments) {
            delete_file(root, &segment.file.location).await?;
        }
    }
    let found = hints_of(root, dataset, day, id).await?;
    for segment in &found {
        root.warn(&format!(
            "{}: was built from the leaf {id} of {day}, which is lost; it is deleted, and `verify` \
             tells of the loss",
            root.full_name(&segment.file.location)
        ));
        delete_file(root, &segment.file.location).await?;
    }
    Ok(!found.is_empty())
}

/// The footer of the leaf at that path. `None` when no file is there.
///
/// # Errors
/// `Corrupt` when the file is not a leaf or is damaged; any other error from the store.
pub(crate) async fn leaf_at(root: &Root, path: &Path) -> Result<Option<LeafFooter>> {
    let Some(footer) = read_footer(root, path).await? else { return Ok(None) };
    let leaf = footer.leaf().cloned();
    leaf.map(Some).ok_or_else(|| Error::corrupt(format!("{}: is no leaf", root.full_name(path))))
}

/// Whether the day's newest manifest, read now, has absorbed the leaf's rows. A caller that finds
/// a void checks this, because the leaf may have been published, absorbed and deleted before the
/// void was created.
///
/// # Errors
/// See [`newest_manifest`].
pub(crate) async fn is_absorbed(root: &Root, day: Day, id: &LeafId) -> Result<bool> {
    let manifest = newest_manifest(root, day).await?;
    let absorbed = manifest.as_ref().and_then(|manifest| manifest.absorbed(id));
    Ok(absorbed.is_some_and(|absorbed| !absorbed.void))
}
