//! Merging a finished day's leaves into a few sorted files.
//!
//! Segments stay valid: a fingerprint is over leaf ids, which compaction doesn't change. But an
//! absorbed leaf can no longer be read alone. A segment that lacks only some of the leaves would
//! then become useless, so a day waits until every rollup is current.

use std::time::Instant;

use futures::{StreamExt as _, stream};

use crate::{
    base::{Day, Result, Span},
    jobs::{
        JobContext, JobReport, JobSummary, Outcome, RawFiles,
        generation::rewrite::{Rewrite, Rewriting, Rewritten},
        report::{Plan, Reporter},
    },
    model::{Dataset, Freshness, LeafDay, LeafKind, Rollup, Snapshot},
    store::{Serving, load},
};

/// The days to compact.
#[derive(Clone, Copy, Debug)]
pub struct CompactOptions {
    /// The first day; the root's first when `None`.
    pub from: Option<Day>,
    /// The last day; yesterday, UTC, when `None`.
    pub to: Option<Day>,
    /// Days of this many files or fewer stay as they are. Files of other tools aren't counted.
    pub files_max: usize,
    /// Only report what would be compacted.
    pub dry_run: bool,
}

impl CompactOptions {
    /// The `files_max` of the nightly job.
    pub const NIGHTLY_FILES_MAX: usize = 8;
}

impl Default for CompactOptions {
    /// All finished days of more than one file.
    fn default() -> Self {
        Self { from: None, to: None, files_max: 1, dry_run: false }
    }
}

/// Compacts the days that need it. Calls `report` for each, in the order of the days.
///
/// # Errors
/// An error that stops the whole job, such as a store that can't be listed. A day that fails, or
/// that can't be read, is a report instead.
pub(crate) async fn compact(
    context: JobContext<'_>,
    options: &CompactOptions,
    report: impl FnMut(&JobReport) + Send,
) -> Result<JobSummary> {
    let mut reporter = Reporter::new(report);
    // A day that isn't over would have to be compacted again.
    let yesterday = context.clock.today().plus(-1);
    let last = options.to.unwrap_or(yesterday).min(yesterday);
    let span = Span::between(options.from, Some(last));
    let snapshot = load(context.root, span, context.dataset.rollups(), Serving::Days).await?;
    let days = snapshot.live(span).filter_map(|live| Some((live, needs_it(live, options)?)));
    let compacted = days.map(|(live, before)| {
        let waits = waits(&snapshot, context.dataset, live);
        async move {
            let outcome = match waits {
                Some(waits) => waits,
                None if options.dry_run => Outcome::Planned(Plan::Compact(before)),
                None => compact_day(context, live, before).await,
            };
            (live.day, outcome)
        }
    });
    let compacted: Vec<_> = compacted.collect();
    let mut compacted = stream::iter(compacted).buffered(context.settings.streams.max(1));
    while let Some((day, outcome)) = compacted.next().await {
        reporter.day(day, outcome);
    }
    reporter.damaged_days(&snapshot, span);
    Ok(reporter.finish())
}

/// The day's files, if the day has too many of them. Files of other tools are left alone.
fn needs_it(live: &LeafDay, options: &CompactOptions) -> Option<RawFiles> {
    let files = live.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Foreign);
    let files = RawFiles::of(files.map(|leaf| leaf.file.size));
    let appended = live.leaves.iter().any(|leaf| leaf.kind == LeafKind::Appended);
    (!live.is_purged() && appended && files.count > options.files_max).then_some(files)
}

fn waits(snapshot: &Snapshot, dataset: &Dataset, live: &LeafDay) -> Option<Outcome> {
    let behind = |rollup: &&Rollup| {
        !matches!(snapshot.freshness(rollup.name(), live.day), Freshness::Current(_))
    };
    let behind = dataset.rollups().iter().filter(behind).map(|rollup| rollup.name().to_owned());
    let behind: Vec<_> = behind.collect();
    (!behind.is_empty()).then_some(Outcome::Waits(behind))
}

async fn compact_day(context: JobContext<'_>, live: &LeafDay, before: RawFiles) -> Outcome {
    let start = Instant::now();
    let leaves = live.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Foreign);
    let (leaves, rewriting) = (leaves.cloned().collect(), Rewriting::Merge);
    let rewrite = Rewrite { context, live, leaves, rewriting };
    match rewrite.run().await {
        Ok(Some(Rewritten { files, rows, bytes })) => {
            let after = RawFiles { count: files, bytes };
            Outcome::Compacted { before, after, rows, took: start.elapsed() }
        }
        Ok(None) => Outcome::Overtaken,
        Err(error) => Outcome::Failed(error.about(format!("day {}", live.day))),
    }
}
