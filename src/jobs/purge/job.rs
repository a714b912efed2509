//! Purging old days, each by itself.

use std::sync::Arc;

use crate::{
    base::{Error, Result, Span},
    jobs::{
        JobContext, JobReport, JobSummary, Outcome, RawFiles,
        purge::day::Purging,
        report::{Plan, Reporter},
    },
    model::{LeafDay, Period},
    store::{StoreClock, read_base},
};

/// The days to purge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PurgeOptions {
    /// Purges days that have been over for this many days or more.
    pub older_than_days: u32,
    /// Names of rollups. When there are any, no raw rows are purged, but what remains for these
    /// rollups of days that were purged before. At least one other rollup must answer for each day.
    pub rollups: Vec<String>,
    /// Only report what would be purged.
    pub dry_run: bool,
}

/// Purges the raw rows of old days, or what remains for some rollups. Calls `report` for each day.
///
/// # Errors
/// `NotFound` for a rollup that no definition has; otherwise an error that stops the whole job:
/// `Unavailable` when the store refuses, or when the store's clock and the host's differ too much.
/// A day that can't be read or purged is a report instead, with the reason.
pub(crate) async fn purge(
    context: JobContext<'_>,
    options: &PurgeOptions,
    report: impl FnMut(&JobReport) + Send,
) -> Result<JobSummary> {
    let mut reporter = Reporter::new(report);
    for name in &options.rollups {
        if !context.dataset.all_rollups().any(|rollup| rollup.folder() == name) {
            context.dataset.rollup(name)?;
        }
    }
    StoreClock::read(context.root, context.staging, context.clock).await?;
    let days = i32::try_from(options.older_than_days).unwrap_or(i32::MAX);
    let end = context.clock.today().plus(days.saturating_neg()).start_micros();
    let span = Span::new(i64::MIN, end);
    let snapshot = context.snapshot(span).await?;
    if !options.dry_run {
        context.definitions.ensure_stored(context.root, context.staging).await?;
    }
    if !options.rollups.is_empty() {
        for live in snapshot.live(span) {
            purge_remains(context, live, options, &mut reporter).await;
        }
        reporter.damaged_days(&snapshot, span);
        return Ok(reporter.finish());
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

/// Purges what remains of a purged day for some rollups, and reports each.
async fn purge_remains(
    context: JobContext<'_>,
    live: &LeafDay,
    options: &PurgeOptions,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) {
    let remains = async {
        let Some(base) = live.base.as_ref().filter(|base| base.purged) else {
            return Ok(Vec::new());
        };
        let mut remains = read_base(context.root, live.day, base).await?.remains.clone();
        remains.retain(|remains| options.rollups.contains(&remains.rollup));
        Ok::<_, Error>(remains)
    };
    let period = Period::Day(live.day);
    let failed = |error: Error| Outcome::Failed(error.about(format!("day {}", live.day)));
    let remains = match remains.await {
        Ok(remains) if remains.is_empty() => return,
        Ok(remains) => remains,
        Err(error) => return reporter.day(live.day, failed(error)),
    };
    let outcome = |files| {
        if options.dry_run { Outcome::Planned(Plan::Purge(files)) } else { Outcome::Purged(files) }
    };
    if !options.dry_run {
        let hashes: Vec<_> = remains.iter().map(|remains| remains.hash.clone()).collect();
        let purged = async {
            let definitions =
                context.definitions.ensure_current(context.root, context.staging).await?;
            let definitions = &definitions;
            Purging { context, live, definitions, without: None, dropped: &hashes }.run().await
        };
        match purged.await {
            Ok(true) => {}
            Ok(false) => return reporter.day(live.day, Outcome::Overtaken),
            Err(error) => return reporter.day(live.day, failed(error)),
        }
    }
    for remains in remains {
        let files = RawFiles::of([remains.file.bytes]);
        reporter.part(period, remains.rollup, outcome(files));
    }
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
    let definitions = &definitions;
    Purging { context, live, definitions, without: None, dropped: &[] }.run().await
}
