//! Checking a day: its manifests, its raw files against their footers, its segments against its
//! rows.

use super::{Checked, Difference, Verdict, chain, difference, listed::Listed, lost, segment};
use crate::{
    base::{Day, ErrorKind, Result},
    jobs::JobContext,
    jobs::generation::checks::{check_named, first_outside},
    model::{ContentHasher, Freshness, Leaf, LeafDay, LeafId, LeafKind, Manifest, ManifestState},
    store::{FileCheck, FileKind, NO_FOOTER, check_file, file_footer, manifest_path},
};

/// The first difference of the day. Adds the files that are as they should be to `found`.
///
/// # Errors
/// `NotFound` when a listed file is gone; otherwise the error from reading a file.
pub(super) async fn check(
    context: JobContext<'_>,
    listed: &Listed,
    day: Day,
    found: &mut Vec<Checked>,
) -> Result<Option<Difference>> {
    if let Some((day, damage)) = listed.days.damaged(day.span()).next() {
        return Ok(Some(Difference { file: format!("day {day}"), what: damage.what.clone() }));
    }
    if let Some(folder) = listed.folder(day) {
        if let Some(difference) = chain::check_manifests(context, folder).await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = chain::check_voids(context, folder).await? {
            return Ok(Some(difference));
        }
    }
    let live = listed.days.live(day.span()).next();
    if let Some(live) = live
        && let Some(difference) = check_live(context, listed, live, found).await?
    {
        return Ok(Some(difference));
    }
    // The folder matters even when the day has no rows: a snapshot has no such day.
    let of_folder = match listed.folder(day) {
        Some(folder) => Some(folder.live(context.root).await?),
        None => None,
    };
    lost::check(context, listed, day, of_folder.as_ref()).await
}

async fn check_live(
    context: JobContext<'_>,
    listed: &Listed,
    live: &LeafDay,
    found: &mut Vec<Checked>,
) -> Result<Option<Difference>> {
    if let Some(lost) = live.lost.first() {
        let what = "is named by the day's manifest, and it is gone".to_owned();
        return Ok(Some(Difference { file: context.root.full_name(lost), what }));
    }
    for leaf in live.leaves.iter().filter(|leaf| !leaf.is_purged()) {
        match check_leaf(context, listed, leaf).await? {
            Ok(checked) => found.push(checked),
            Err(difference) => return Ok(Some(difference)),
        }
    }
    if let Some(difference) = check_base(context, live).await? {
        return Ok(Some(difference));
    }
    for rollup in context.dataset.rollups() {
        let (segment, late): (_, &[_]) = match listed.days.freshness(rollup.name(), live.day) {
            Freshness::Missing => continue,
            Freshness::Current(segment) => (segment, &[]),
            Freshness::Behind { segment, late } => (segment, late),
        };
        match segment::check(context, rollup, segment, (live, late)).await? {
            Ok(checked) => found.push(checked),
            Err(difference) => return Ok(Some(difference)),
        }
    }
    Ok(None)
}

/// Checks a day's manifest against its tag. Reads all files that the manifest names whole, and
/// compares them with the manifest.
async fn check_base(context: JobContext<'_>, live: &LeafDay) -> Result<Option<Difference>> {
    let Some(base) = &live.base else { return Ok(None) };
    let root = context.root;
    // The manifest is read from the store, not from the cache.
    let listed = base.listed.as_ref();
    let path =
        listed.map_or_else(|| manifest_path(live.day, base.generation), |it| it.location.clone());
    let file = root.full_name(&path);
    let Some(bytes) = root.read(&path).await? else {
        let what = "is gone; only its tag is there".to_owned();
        return Ok(Some(Difference { file, what }));
    };
    let manifest = match Manifest::parse(&bytes, live.day, base.generation) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Some(Difference { file, what: error.to_string() })),
    };
    let purged = manifest.state == ManifestState::Purged;
    if manifest.fingerprint() != base.fingerprint || purged != base.purged {
        let what = "accounts for other leaves than its name says".to_owned();
        return Ok(Some(Difference { file, what }));
    }
    if let Err(error) = check_named(root, live.day, &manifest).await {
        return match error.kind() {
            ErrorKind::Corrupt => Ok(Some(Difference { file, what: error.to_string() })),
            _ => Err(error),
        };
    }
    let mut sum = ContentHasher::new();
    for leaf in live.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Compacted) {
        let footer = file_footer(root, &leaf.file).await?;
        if let Some(content) = footer.content() {
            sum.add_hashed(content)?;
        }
    }
    let found = sum.finish();
    if purged || found == manifest.content {
        return Ok(None);
    }
    let what = format!("its files hold {found}, and it says {}", manifest.content);
    Ok(Some(Difference { file, what }))
}

/// Checks a leaf against its footer: its bytes, its rows, its claim, and that all rows are of its
/// day.
async fn check_leaf(context: JobContext<'_>, listed: &Listed, leaf: &Leaf) -> Result<Verdict> {
    let rows = match check_file(context.root, &leaf.file).await? {
        FileCheck::Intact { rows, footer } => {
            let is_it = match &footer.kind {
                FileKind::Leaf(found) => found.id == leaf.id,
                FileKind::Compacted(found) => {
                    leaf.kind == LeafKind::Compacted && found.date == leaf.day.to_string()
                }
                FileKind::Segment(_) | FileKind::Remains(_) | FileKind::Month(_) => false,
            };
            if !is_it || footer.content().is_none_or(|content| content.rows != rows) {
                return Ok(Err(difference(
                    context,
                    &leaf.file,
                    "is not the leaf that its name says",
                )));
            }
            if let Some(of_leaf) = footer.leaf() {
                let folder = listed.folder(leaf.day);
                let is_known = |id: &LeafId| {
                    folder.is_some_and(|folder| folder.leaves.iter().any(|leaf| leaf.id == *id))
                };
                let of_leaf = (leaf, of_leaf);
                let found =
                    chain::check_claim_of(context, &listed.claims, of_leaf, is_known).await?;
                if let Some(difference) = found {
                    return Ok(Err(difference));
                }
            }
            rows
        }
        FileCheck::Foreign { rows } if leaf.kind == LeafKind::Foreign => rows,
        FileCheck::Foreign { .. } => {
            return Ok(Err(difference(context, &leaf.file, NO_FOOTER)));
        }
        FileCheck::Damaged(what) => {
            return Ok(Err(difference(context, &leaf.file, &what.to_string())));
        }
    };
    let file = context.root.full_name(&leaf.file.location);
    if let Some(outside) = first_outside(context, leaf).await? {
        let what = format!("holds {outside} in the folder of {}", leaf.day);
        return Ok(Err(Difference { file, what }));
    }
    Ok(Ok(Checked { file, rows }))
}
