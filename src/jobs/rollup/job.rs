//! Running the tasks: several days at once, a failing task without the rest.

use std::time::{Duration, Instant};

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
    base::{Clock, Day, Error, ErrorKind, Result, Settings, Span},
    catalog::{Freshness, Serving, Snapshot, load},
    exec::{Site, new_session},
    model::{Dataset, Rollup},
    store::{Root, Staging, check_hint},
};

/// Segments read at once.
const CONCURRENT_READS: usize = 32;

/// Days of more bytes than this are built alone, with all of the memory and all streams.
const LARGE_DAY_BYTES: u64 = 32 << 20;

/// Which days and rollups.
#[derive(Clone, Debug, Default)]
pub struct JobOptions {
    /// The first day; the root's first when `None`.
    pub from: Option<Day>,
    /// The last day; yesterday, UTC, when `None`.
    pub to: Option<Day>,
    /// The rollups by name; all when empty.
    pub names: Vec<String>,
    /// Only say what would be built.
    pub dry_run: bool,
}

/// What became of a task.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing: it was a dry run.
    Planned,
    /// The segment is there.
    Built {
        /// What was built.
        built: Built,
        /// How long it took.
        took: Duration,
    },
    /// There is nothing to make it of: raw rows of the day were purged.
    NoSource,
    /// It failed; the other tasks went on.
    Failed(Error),
}

impl Outcome {
    /// Whether a file was gone that had been listed.
    fn met_nothing(&self) -> bool {
        matches!(self, Self::Failed(error) if error.kind() == ErrorKind::NotFound)
    }
}

/// Builds what is missing or behind, telling `report` of each task when its day is done, in the
/// order of days.
///
/// # Errors
/// For what stops the whole job: an unknown rollup, a root that can't be listed or written to. A
/// task that fails is an [`Outcome`].
pub(crate) async fn run(
    root: &Root,
    dataset: &Dataset,
    settings: &Settings,
    clock: &dyn Clock,
    options: &JobOptions,
    mut report: impl FnMut(&Task<'_>, &Outcome) + Send,
) -> Result<()> {
    let (rollups, span) = (rollups_of(dataset, options)?, span_of(options, clock));
    let snapshot = load(root, span, dataset.all_rollups(), Serving::Days).await?;
    let snapshot = if options.dry_run {
        snapshot
    } else {
        without_damaged(root, span, dataset, snapshot).await?
    };
    let tasks = tasks(&snapshot, span, &rollups);
    if options.dry_run || tasks.is_empty() {
        for task in &tasks {
            report(task, &Outcome::Planned);
        }
        return snapshot.check_damage(span);
    }
    let staging = Staging::open(root, settings)?;
    let context = new_session(root, settings)?;
    let site = Site { root, dataset, context: &context, staging: &staging };
    let at_once = settings.streams.max(1);
    let places = Semaphore::new(at_once);
    let (places, snapshot, rollups) = (&places, &snapshot, rollups.as_slice());
    let days = tasks.chunk_by(|one, next| one.day == next.day);
    let built = days.map(|day| async move {
        let places_taken = if bytes_of(day) > LARGE_DAY_BYTES { at_once } else { 1 };
        let places_taken = u32::try_from(places_taken).unwrap_or(1);
        let place = places.acquire_many(places_taken).await;
        let built = build_as_it_is(site, snapshot, rollups, day).await;
        drop(place);
        built
    });
    let mut built = stream::iter(built).buffered(at_once);
    while let Some(built) = built.next().await {
        for (task, outcome) in &built? {
            report(task, outcome);
        }
    }
    snapshot.check_damage(span)
}

/// The same snapshot, after each segment that serves was read whole: a damaged one is used no more,
/// and built anew.
async fn without_damaged(
    root: &Root,
    span: Span,
    dataset: &Dataset,
    snapshot: Snapshot,
) -> Result<Snapshot> {
    let before = root.distrusted_count();
    let served = snapshot.live(span).flat_map(|live| {
        let rollups = dataset.all_rollups();
        rollups.filter_map(|rollup| match snapshot.freshness(rollup.name(), live.day) {
            Freshness::Current(segment) | Freshness::Behind { segment, .. } => Some(segment),
            Freshness::Missing => None,
        })
    });
    // What remains of a purged day is no hint: nothing could take its place.
    let hints = served.filter(|segment| segment.is_hint());
    let checks = hints.map(|segment| check_hint(root, &segment.file));
    let checks: Vec<_> = checks.collect();
    stream::iter(checks).buffer_unordered(CONCURRENT_READS).try_collect::<Vec<_>>().await?;
    if root.distrusted_count() == before {
        return Ok(snapshot);
    }
    load(root, span, dataset.all_rollups(), Serving::Days).await
}

/// Builds the segments of quiet months that are missing, telling `report` of each: the month's
/// first day, the rollup, and what became of it.
///
/// # Errors
/// As [`run`].
pub(crate) async fn run_months(
    root: &Root,
    dataset: &Dataset,
    settings: &Settings,
    clock: &dyn Clock,
    options: &JobOptions,
    mut report: impl FnMut(Day, &Rollup, &Outcome) + Send,
) -> Result<()> {
    let (rollups, span) = (rollups_of(dataset, options)?, span_of(options, clock));
    // What days have now, those just built included.
    let snapshot = load(root, span, rollups.iter().copied(), Serving::Days).await?;
    let tasks = month_tasks(root, &snapshot, span, &rollups, clock.now()).await?;
    if options.dry_run || tasks.is_empty() {
        for task in &tasks {
            report(task.month, task.rollup, &Outcome::Planned);
        }
        return Ok(());
    }
    let staging = Staging::open(root, settings)?;
    let context = new_session(root, settings)?;
    let site = Site { root, dataset, context: &context, staging: &staging };
    for task in tasks {
        let outcome = build_month(site, &task).await;
        if outcome.met_nothing() {
            // A day of it changed just now: the month isn't quiet.
            continue;
        }
        report(task.month, task.rollup, &outcome);
    }
    Ok(())
}

fn rollups_of<'d>(dataset: &'d Dataset, options: &JobOptions) -> Result<Vec<&'d Rollup>> {
    match options.names.as_slice() {
        [] => Ok(dataset.rollups().iter().collect()),
        names => names.iter().map(|name| dataset.rollup(name)).collect(),
    }
}

fn span_of(options: &JobOptions, clock: &dyn Clock) -> Span {
    let last = options.to.unwrap_or_else(|| clock.today().plus(-1));
    Span::new(options.from.map_or(i64::MIN, Day::start_micros), last.span().end)
}

fn bytes_of(day: &[Task<'_>]) -> u64 {
    let leaves = day.first().map(|task| &task.live.leaves).into_iter().flatten();
    leaves.map(|leaf| leaf.file.size).sum()
}

/// How often files may be gone that were listed.
const LISTINGS_MAX: usize = 10;

/// What became of a day's tasks. Where somebody else replaced files meanwhile, the day is listed
/// again.
async fn build_as_it_is<'a>(
    site: Site<'_>,
    snapshot: &Snapshot,
    rollups: &[&'a Rollup],
    day: &[Task<'a>],
) -> Result<Vec<(Task<'a>, Outcome)>> {
    let outcomes = build_day(site, snapshot, day).await;
    let mut built: Vec<_> = day.iter().cloned().zip(outcomes).collect();
    for _ in 1..LISTINGS_MAX {
        let (met, kept): (Vec<_>, Vec<_>) = built.into_iter().partition(|(_, it)| it.met_nothing());
        built = kept;
        let Some((task, _)) = met.first() else { break };
        let (span, of_failed) = (task.day.span(), |rollup: &&&Rollup| {
            met.iter().any(|(task, _)| task.rollup.name() == rollup.name())
        });
        let rollups: Vec<_> = rollups.iter().filter(of_failed).copied().collect();
        let root = site.root.with_new_listings();
        let now = load(&root, span, site.dataset.all_rollups(), Serving::Days).await?;
        let tasks = tasks(&now, span, &rollups);
        let outcomes = build_day(site, &now, &tasks).await;
        built.extend(tasks.into_iter().zip(outcomes));
    }
    Ok(built)
}

/// What became of each of a day's tasks, which build the finest rollups first: others can be made
/// of them.
async fn build_day(site: Site<'_>, snapshot: &Snapshot, tasks: &[Task<'_>]) -> Vec<Outcome> {
    let mut order: Vec<(usize, &Task<'_>)> = tasks.iter().enumerate().collect();
    order.sort_by_key(|(_, task)| {
        let (dimensions, states) = (task.rollup.dimensions().len(), task.rollup.states().len());
        (task.rollup.grain(), std::cmp::Reverse((dimensions, states)))
    });
    let Some(day) = tasks.first().map(|task| task.day) else { return Vec::new() };
    let is_current =
        |rollup: &&Rollup| matches!(snapshot.freshness(rollup.name(), day), Freshness::Current(_));
    let mut there: Vec<&Rollup> = site.dataset.all_rollups().filter(is_current).collect();
    let proofs = OnceCell::new();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for (at, task) in order {
        let start = Instant::now();
        let outcome = match build_task(site, task, &there, &proofs).await {
            Ok(Some(built)) => {
                there.push(task.rollup);
                Outcome::Built { built, took: start.elapsed() }
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

/// Builds one segment, of a finer rollup's if one of those that are there can serve; `None` when
/// there is nothing to make it of.
async fn build_task(
    site: Site<'_>,
    task: &Task<'_>,
    there: &[&Rollup],
    proofs: &OnceCell<Proofs>,
) -> Result<Option<Built>> {
    let purged = task.live.is_purged();
    for finer in there.iter().rev().filter(|other| is_finer(other, task.rollup, purged)) {
        if let Some(finer) = FinerSegment::find(site.root, finer, task).await {
            return build(site, task, Source::Finer(finer)).await.map(Some);
        }
    }
    if purged {
        let Freshness::Behind { segment, late } = &task.freshness else { return Ok(None) };
        let late = LateLeaves::read(site, segment, late).await?;
        return build(site, task, Source::Late(late)).await.map(Some);
    }
    let read = || Proofs::of(site.root, site.dataset, site.context, &task.live.leaves);
    build(site, task, Source::Leaves(proofs.get_or_try_init(read).await?)).await.map(Some)
}
