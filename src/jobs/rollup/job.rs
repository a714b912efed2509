//! Running the tasks: several days at once. A failing task doesn't stop the rest.

use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{OnceCell, Semaphore};

use super::{
    Built, Proofs, Task,
    finer::is_finer,
    months::{build_month, month_tasks},
    segment_builder::{FinerSegment, LateLeaves, Source, build},
    tasks,
};
use crate::{
    base::{Clock, Day, ErrorKind, Result, Span},
    jobs::{
        JobContext, JobReport, JobSummary, Outcome,
        purge::job::move_format_1,
        report::{BuildReason, Plan, Reporter},
    },
    model::{Dataset, Freshness, Period, Rollup, Snapshot},
    store::{Serving, check_hint, load},
};

/// The number of segments that are read at once.
const CONCURRENT_READS: usize = 32;

/// A day of more raw bytes than this is built alone, with all of the memory and all streams.
const LARGE_DAY_BYTES: u64 = 32 << 20;

/// The days and rollups to build.
#[derive(Clone, Debug)]
pub struct RollupOptions {
    /// The first day; the root's first when `None`.
    pub from: Option<Day>,
    /// The last day; yesterday, UTC, when `None`.
    pub to: Option<Day>,
    /// The rollups by name; all when empty.
    pub names: Vec<String>,
    /// Whether to build the segments of whole months, too, once their days no longer change.
    pub months: bool,
    /// Only report what would be built.
    pub dry_run: bool,
}

impl Default for RollupOptions {
    /// All finished days and quiet months, and all rollups.
    fn default() -> Self {
        Self { from: None, to: None, names: Vec::new(), months: true, dry_run: false }
    }
}

/// Moves what is left of format 1, builds the day segments that are missing or behind, then the
/// missing segments of quiet months.
/// Calls `report` for each segment when its day is done, in the order of the days.
///
/// # Errors
/// An error that stops the whole job: `NotFound` for an unknown rollup; `Unavailable` when the
/// root can't be listed or written to. A segment that fails, or a day that can't be read, is a
/// report instead.
pub(crate) async fn rollup(
    context: JobContext<'_>,
    options: &RollupOptions,
    report: impl FnMut(&JobReport) + Send,
) -> Result<JobSummary> {
    let mut reporter = Reporter::new(report);
    if !options.dry_run {
        move_format_1(context, &mut reporter).await?;
    }
    days(context, options, &mut reporter).await?;
    if options.months {
        months(context, options, &mut reporter).await?;
    }
    Ok(reporter.finish())
}

async fn days(
    context: JobContext<'_>,
    options: &RollupOptions,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<()> {
    let (rollups, span) = (rollups_of(context.dataset, options)?, span_of(options, context.clock));
    let snapshot = context.snapshot(span).await?;
    let snapshot = without_damaged(context, span, snapshot).await?;
    let tasks = tasks(&snapshot, span, &rollups);
    if options.dry_run {
        for task in &tasks {
            let outcome = Outcome::Planned(Plan::Build(task.reason));
            reporter.part(Period::Day(task.day), task.rollup.name(), outcome);
        }
        reporter.unreadable_days(context.root, &snapshot, span);
        return Ok(());
    }
    let at_once = context.settings.streams.max(1);
    let permits = Semaphore::new(at_once);
    let (permits, snapshot, rollups) = (&permits, &snapshot, rollups.as_slice());
    let days = tasks.chunk_by(|one, next| one.day == next.day);
    let built = days.map(|day| async move {
        let permits_taken = if bytes_of(day) > LARGE_DAY_BYTES { at_once } else { 1 };
        let permits_taken = u32::try_from(permits_taken).unwrap_or(1);
        let permit = permits.acquire_many(permits_taken).await;
        let built = build_with_retries(context, snapshot, rollups, day).await;
        drop(permit);
        built
    });
    let mut built = stream::iter(built).buffered(at_once);
    while let Some(built) = built.next().await {
        for (task, outcome) in built? {
            reporter.part(Period::Day(task.day), task.rollup.name(), outcome);
        }
    }
    reporter.unreadable_days(context.root, snapshot, span);
    Ok(())
}

/// Builds the segments of quiet months that are missing.
async fn months(
    context: JobContext<'_>,
    options: &RollupOptions,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<()> {
    let (rollups, span) = (rollups_of(context.dataset, options)?, span_of(options, context.clock));
    // The days' present segments, including those that were just built.
    let snapshot = load(context.root, span, rollups.iter().copied(), Serving::Days).await?;
    let tasks = month_tasks(context.root, &snapshot, span, &rollups, context.clock.now()).await?;
    for task in tasks {
        let outcome = if options.dry_run {
            Outcome::Planned(Plan::Build(BuildReason::Missing))
        } else {
            build_month(context, &task).await
        };
        // A day of the month changed just now, so the month isn't quiet.
        if !is_not_found(&outcome) {
            reporter.part(Period::Month(task.month), task.rollup.name(), outcome);
        }
    }
    Ok(())
}

/// Whether the outcome is the failure that a listed file was gone.
fn is_not_found(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(error) if error.kind() == ErrorKind::NotFound)
}

/// Reads each serving segment whole, and gives a snapshot without the damaged ones. A damaged
/// segment is no longer used, and the job builds it anew.
async fn without_damaged(
    context: JobContext<'_>,
    span: Span,
    snapshot: Snapshot,
) -> Result<Snapshot> {
    let JobContext { root, dataset, .. } = context;
    let before = root.distrusted_count();
    let served = snapshot.live(span).flat_map(|live| {
        let rollups = dataset.all_rollups();
        rollups.filter_map(|rollup| match snapshot.freshness(rollup.name(), live.day) {
            Freshness::Current(segment) | Freshness::Behind { segment, .. } => Some(segment),
            Freshness::Missing => None,
        })
    });
    // The remains of a purged day are no hint: nothing could take their place.
    let hints = served.filter(|segment| segment.is_hint());
    let checks = hints.map(|segment| check_hint(root, &segment.file));
    let checks: Vec<_> = checks.collect();
    stream::iter(checks).buffer_unordered(CONCURRENT_READS).try_collect::<Vec<_>>().await?;
    if root.distrusted_count() == before {
        return Ok(snapshot);
    }
    context.snapshot(span).await
}

fn rollups_of<'d>(dataset: &'d Dataset, options: &RollupOptions) -> Result<Vec<&'d Rollup>> {
    match options.names.as_slice() {
        [] => Ok(dataset.rollups().iter().collect()),
        names => names.iter().map(|name| dataset.rollup(name)).collect(),
    }
}

fn span_of(options: &RollupOptions, clock: &dyn Clock) -> Span {
    let last = options.to.unwrap_or_else(|| clock.today().plus(-1));
    Span::between(options.from, Some(last))
}

fn bytes_of(day: &[Task<'_>]) -> u64 {
    let leaves = day.first().map(|task| &task.live.leaves).into_iter().flatten();
    leaves.map(|leaf| leaf.file.size).sum()
}

/// How many times a day is listed when listed files are gone.
const LISTINGS_MAX: usize = 10;

/// The outcomes of a day's tasks. When another writer replaced files meanwhile, the day is listed
/// again.
async fn build_with_retries<'a>(
    context: JobContext<'_>,
    snapshot: &Snapshot,
    rollups: &[&'a Rollup],
    day: &[Task<'a>],
) -> Result<Vec<(Task<'a>, Outcome)>> {
    let outcomes = build_day(context, snapshot, day).await;
    let mut built: Vec<_> = day.iter().cloned().zip(outcomes).collect();
    for _ in 1..LISTINGS_MAX {
        let (to_retry, done): (Vec<_>, Vec<_>) =
            built.into_iter().partition(|(_, it)| is_not_found(it));
        built = done;
        let Some((task, _)) = to_retry.first() else { break };
        let (span, of_failed) = (task.day.span(), |rollup: &&&Rollup| {
            to_retry.iter().any(|(task, _)| task.rollup.name() == rollup.name())
        });
        let rollups: Vec<_> = rollups.iter().filter(of_failed).copied().collect();
        let root = context.root.with_new_listings();
        let now = load(&root, span, context.dataset.all_rollups(), Serving::Days).await?;
        let tasks = tasks(&now, span, &rollups);
        let outcomes = build_day(context, &now, &tasks).await;
        built.extend(tasks.into_iter().zip(outcomes));
    }
    Ok(built)
}

/// The outcome of each of a day's tasks, in their order. The finest rollups are built first, as
/// coarser ones can be built from them.
async fn build_day(
    context: JobContext<'_>,
    snapshot: &Snapshot,
    tasks: &[Task<'_>],
) -> Vec<Outcome> {
    let mut order: Vec<(usize, &Task<'_>)> = tasks.iter().enumerate().collect();
    order.sort_by_key(|(_, task)| {
        let (dimensions, states) = (task.rollup.dimensions().len(), task.rollup.states().len());
        (task.rollup.grain(), std::cmp::Reverse((dimensions, states)))
    });
    let Some(day) = tasks.first().map(|task| task.day) else { return Vec::new() };
    let is_current =
        |rollup: &&Rollup| matches!(snapshot.freshness(rollup.name(), day), Freshness::Current(_));
    let mut there: Vec<&Rollup> = context.dataset.all_rollups().filter(is_current).collect();
    let proofs = OnceCell::new();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for (at, task) in order {
        let start = Instant::now();
        let outcome = match build_task(context, task, &there, &proofs).await {
            Ok(Some(built)) => {
                there.push(task.rollup);
                let Built { rows_in, rows_out, bytes } = built;
                let (reason, took) = (task.reason, start.elapsed());
                Outcome::Built { reason, rows_in, rows_out, bytes, took }
            }
            Ok(None) => Outcome::NoSource,
            Err(error) => {
                let subject = format!("rollup `{}`, day {}", task.rollup.name(), task.day);
                Outcome::Failed(error.about(subject))
            }
        };
        outcomes.push((at, outcome));
    }
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Builds one segment, from a finer rollup's segment among `there` if one fits. `None` when there
/// is nothing to build the segment from.
async fn build_task(
    context: JobContext<'_>,
    task: &Task<'_>,
    there: &[&Rollup],
    proofs: &OnceCell<Proofs>,
) -> Result<Option<Built>> {
    let purged = task.live.is_purged();
    for finer in there.iter().rev().filter(|other| is_finer(other, task.rollup, purged)) {
        if let Some(finer) = FinerSegment::find(context.root, finer, task).await {
            return build(context, task, Source::Finer(finer)).await.map(Some);
        }
    }
    if purged {
        let Freshness::Behind { segment, late } = &task.freshness else { return Ok(None) };
        let late = LateLeaves::read(context, segment, late).await?;
        return build(context, task, Source::Late(late)).await.map(Some);
    }
    let read = || Proofs::of(context, &task.live.leaves);
    build(context, task, Source::Leaves(proofs.get_or_try_init(read).await?)).await.map(Some)
}
