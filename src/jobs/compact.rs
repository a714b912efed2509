//! Merging a finished day's leaves into a few sorted files.
//!
//! Rollups stay as they are: their fingerprint is over leaf ids, which compaction doesn't change.
//! But a leaf that was taken in can't be read alone any more, so a day waits until every rollup is
//! current: else a segment that lacks only some of its leaves would become useless.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};

use super::rewrite::{Rewrite, Rewritten};
use crate::{
    base::{Clock, Day, Error, Result, Settings, Span},
    catalog::{Freshness, Serving, Snapshot, load},
    exec::{Site, new_session},
    model::{Dataset, Rollup},
    store::{LeafDay, LeafKind, Root, Staging},
};

/// Which days.
#[derive(Clone, Copy, Debug)]
pub struct CompactOptions {
    /// The first day; the root's first when `None`.
    pub from: Option<Day>,
    /// The last day; yesterday, UTC, when `None`.
    pub to: Option<Day>,
    /// Days of so many files or fewer stay as they are.
    pub files_max: usize,
    /// Only say what would be compacted.
    pub dry_run: bool,
}

impl CompactOptions {
    /// The number of files up to which the nightly job leaves a day alone.
    pub const NIGHTLY_FILES_MAX: usize = 8;
}

impl Default for CompactOptions {
    /// All finished days of more than one file.
    fn default() -> Self {
        Self { from: None, to: None, files_max: 1, dry_run: false }
    }
}

/// A day that has more files than it needs.
#[derive(Clone, Debug)]
pub struct CompactTask {
    /// The day.
    pub day: Day,
    /// Its raw files.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
}

/// What became of a day.
#[derive(Debug)]
pub enum Compaction {
    /// Nothing: it was a dry run.
    Planned,
    /// Its rows are in fewer files.
    Compacted {
        /// How many.
        files: usize,
        /// Their rows.
        rows: u64,
        /// Their size.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// Nothing: these rollups are not current, and must be first.
    Waits(Vec<String>),
    /// Nothing: somebody else changed the day meanwhile.
    Overtaken,
    /// It failed; the other days went on.
    Failed(Error),
}

/// Compacts the days that need it, telling `report` of each, in their order.
///
/// # Errors
/// For what stops the whole job; a day that fails is a [`Compaction`]. At the end, for days that
/// can't be read and were left out.
pub(crate) async fn compact(
    root: &Root,
    dataset: &Dataset,
    settings: &Settings,
    clock: &dyn Clock,
    options: &CompactOptions,
    mut report: impl FnMut(&CompactTask, &Compaction) + Send,
) -> Result<()> {
    // A day that isn't over would have to be compacted again.
    let yesterday = clock.today().plus(-1);
    let last = options.to.unwrap_or(yesterday).min(yesterday);
    let start = options.from.map_or(i64::MIN, Day::start_micros);
    let span = Span::new(start, last.span().end);
    let snapshot = load(root, span, dataset.rollups(), Serving::Days).await?;
    let days: Vec<_> = snapshot.live(span).filter_map(|live| task(live, options)).collect();
    if options.dry_run || days.is_empty() {
        for (task, live) in &days {
            report(task, &waits(&snapshot, dataset, live).unwrap_or(Compaction::Planned));
        }
        return snapshot.check_damage(span);
    }
    let staging = Staging::open(root, settings)?;
    let context = new_session(root, settings)?;
    let site = Site { root, dataset, context: &context, staging: &staging };
    let snapshot = &snapshot;
    let compacted = days.into_iter().map(|(task, live)| async move {
        let start = Instant::now();
        let done = match waits(snapshot, dataset, live) {
            Some(waits) => waits,
            None => match compact_day(site, live).await {
                Ok(Some(Rewritten { files, rows, bytes })) => {
                    Compaction::Compacted { files, rows, bytes, took: start.elapsed() }
                }
                Ok(None) => Compaction::Overtaken,
                Err(error) => Compaction::Failed(error.about(format!("day {}", task.day))),
            },
        };
        (task, done)
    });
    let mut compacted = stream::iter(compacted).buffered(settings.streams.max(1));
    while let Some((task, done)) = compacted.next().await {
        report(&task, &done);
    }
    snapshot.check_damage(span)
}

/// The day as a task, if it has more files than it needs. Files of other tools are left to them.
fn task<'d>(live: &'d LeafDay, options: &CompactOptions) -> Option<(CompactTask, &'d LeafDay)> {
    let files = live.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Foreign);
    let (count, bytes) = files.fold((0, 0), |(count, sum), leaf| (count + 1, sum + leaf.file.size));
    let appended = live.leaves.iter().any(|leaf| leaf.kind == LeafKind::Appended);
    let needs_it = !live.is_purged() && appended && count > options.files_max;
    needs_it.then_some((CompactTask { day: live.day, files: count, bytes }, live))
}

fn waits(snapshot: &Snapshot, dataset: &Dataset, live: &LeafDay) -> Option<Compaction> {
    let behind = |rollup: &&Rollup| {
        !matches!(snapshot.freshness(rollup.name(), live.day), Freshness::Current(_))
    };
    let behind = dataset.rollups().iter().filter(behind).map(|rollup| rollup.name().to_owned());
    let behind: Vec<_> = behind.collect();
    (!behind.is_empty()).then_some(Compaction::Waits(behind))
}

async fn compact_day(site: Site<'_>, live: &LeafDay) -> Result<Option<Rewritten>> {
    let leaves = live.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Foreign);
    Rewrite { site, live, leaves: leaves.cloned().collect(), without: None }.run().await
}
