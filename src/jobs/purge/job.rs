//! Purging old days, each by itself.

use std::sync::Arc;

use crate::{
    base::{Result, Span},
    jobs::{
        JobContext, JobReport, JobSummary, Outcome, RawFiles,
        purge::day::Purging,
        report::{Plan, Reporter},
    },
    model::LeafDay,
    store::StoreClock,
};

/// The days to purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeOptions {
    /// Purges days that have been over for this many days or more.
    pub older_than_days: u32,
    /// Only report what would be purged.
    pub dry_run: bool,
}

/// Purges the raw rows of old days. Calls `report` for each day.
///
/// # Errors
/// An error that stops the whole job: `Unavailable` when the store refuses, or when the store's
/// clock and the host's differ too much. A day that can't be read or purged is a report instead,
/// with the reason.
pub(crate) async fn purge(
    context: JobContext<'_>,
    options: &PurgeOptions,
    report: impl FnMut(&JobReport) + Send,
) -> Result<JobSummary> {
    let mut reporter = Reporter::new(report);
    StoreClock::read(context.root, context.staging, context.clock).await?;
    let days = i32::try_from(options.older_than_days).unwrap_or(i32::MAX);
    let end = context.clock.today().plus(days.saturating_neg()).start_micros();
    let span = Span::new(i64::MIN, end);
    let snapshot = context.snapshot(span).await?;
    if !options.dry_run {
        context.definitions.ensure_stored(context.root, context.staging).await?;
    }
    for live in snapshot.live(span) {
        let files = RawFiles::of_day(live);
        if files.count == 0 {
            continue;
        }
        let outcome = if options.dry_run {
            Outcome::Planned(Plan::Purge(files))
        } else {
            match purge_day(context, live).await {
                Ok(true) => Outcome::Purged(files),
                Ok(false) => Outcome::Overtaken,
                Err(error) => Outcome::Failed(error.about(format!("day {}", live.day))),
            }
        };
        reporter.day(live.day, outcome);
    }
    reporter.damaged_days(&snapshot, span);
    Ok(reporter.finish())
}

/// Moves what a root still has of format 1: numbers its definition, and writes the remains of days
/// that were purged in format 1. The last copies of these days' rows are among the rollups'
/// segments. Reports each day that fails.
///
/// # Errors
/// An error that stops the whole job: the root can't be listed or written to.
pub(crate) async fn move_format_1(
    context: JobContext<'_>,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<()> {
    context.definitions.ensure_stored(context.root, context.staging).await?;
    let snapshot = context.snapshot(Span::ALL).await?;
    let of_format_1 = |live: &&Arc<LeafDay>| live.remains.values().any(|it| it.is_hint());
    let days: Vec<_> = snapshot.live(Span::ALL).filter(of_format_1).cloned().collect();
    for live in days {
        if let Err(error) = purge_day(context, &live).await {
            reporter.day(live.day, Outcome::Failed(error.about(format!("day {}", live.day))));
        }
    }
    Ok(())
}

/// Purges a day; `false` when another writer changed the day meanwhile.
async fn purge_day(context: JobContext<'_>, live: &LeafDay) -> Result<bool> {
    let definitions = context.definitions.ensure_current(context.root, context.staging).await?;
    Purging { context, live, definitions: &definitions, without: None }.run().await
}
