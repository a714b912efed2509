//! Deleting what nothing refers to any more.
//!
//! A segment is superseded when its rollup has a segment of exactly the day's live leaves, and that
//! one is older than the grace period: every snapshot taken since then prefers it. A segment that
//! could still serve a day without a current one stays, however old; raw files always stay.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use object_store::{ObjectMeta, ObjectStoreExt as _};

use crate::{
    base::{Clock, Day, Error, Result, Span},
    model::Dataset,
    store::{LeafDay, Root, SegmentDay, list_leaves, list_segments, store_error},
};

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcOptions {
    /// How long a file stays after the one in its place appeared: longer than any question takes.
    pub grace: Duration,
    /// Only say what would be deleted.
    pub dry_run: bool,
}

impl Default for GcOptions {
    /// Two days, and delete.
    fn default() -> Self {
        Self { grace: Duration::from_hours(48), dry_run: false }
    }
}

/// A file that nothing refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// Its full name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// Deletes superseded segments, telling `report` of each.
///
/// # Errors
/// What the store says; what was deleted until then stays deleted, and the rest is found again.
pub(crate) async fn gc(
    root: &Root,
    dataset: &Dataset,
    clock: &dyn Clock,
    options: &GcOptions,
    mut report: impl FnMut(&Superseded) + Send,
) -> Result<()> {
    let Some(days) = Span::ALL.day_bounds() else { return Ok(()) };
    let grace = chrono::Duration::from_std(options.grace);
    let grace = grace.map_err(|error| Error::invalid("the grace period").with_source(error))?;
    let before = clock.now().checked_sub_signed(grace).unwrap_or(DateTime::<Utc>::MIN_UTC);
    let live = list_leaves(root, days).await?;
    let live: BTreeMap<Day, Arc<LeafDay>> = live.into_iter().map(|day| (day.day, day)).collect();
    for rollup in dataset.rollups() {
        let segments = list_segments(root, rollup, days).await?;
        for file in superseded(&live, &segments, before) {
            let name = root.full_name(&file.location);
            if !options.dry_run {
                match root.store().delete(&file.location).await {
                    // Another collector was faster.
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                    Err(error) => return Err(store_error(&name, error)),
                }
            }
            report(&Superseded { file: name, bytes: file.size });
        }
    }
    Ok(())
}

/// The segments in whose place there has been a current one since before then.
fn superseded(
    live: &BTreeMap<Day, Arc<LeafDay>>,
    segments: &[Arc<SegmentDay>],
    before: DateTime<Utc>,
) -> Vec<ObjectMeta> {
    let of_live = segments.iter().filter_map(|segments| Some((live.get(&segments.day)?, segments)));
    of_live.flat_map(|(live, segments)| superseded_of(live, segments, before)).collect()
}

fn superseded_of(live: &LeafDay, segments: &SegmentDay, before: DateTime<Utc>) -> Vec<ObjectMeta> {
    let is_old = |file: &ObjectMeta| file.last_modified < before;
    let mut all = segments.segments.iter();
    let current = all.find(|segment| segment.fingerprint == live.fingerprint);
    if current.is_none_or(|current| !is_old(&current.file)) {
        return Vec::new();
    }
    let others = segments.segments.iter();
    let others = others.filter(|segment| segment.fingerprint != live.fingerprint);
    others.map(|segment| &segment.file).filter(|file| is_old(file)).cloned().collect()
}
