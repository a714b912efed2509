//! Erasing: first the fence, then day by day until no matching row is left, then the rollups of
//! those days anew.

use std::collections::BTreeSet;

use crate::{
    base::{Day, Error, ErrorKind, Result, Span, failpoint},
    jobs::{
        JobContext, JobReport, JobSummary, Outcome,
        erase::{
            day::{ErasedDay, Erasing, days_with, erase_day, held_by_others},
            fence::fence,
        },
        generation::close::close_generations_in_flight,
        report::{Plan, Reporter},
        rollup::rebuild,
    },
    model::Period,
    store::{Definitions, list_raw},
};

/// Batches that are appended meanwhile may hold matching rows, too, so the search is repeated.
/// After this many rounds the job gives up.
const ROUNDS: usize = 8;

/// Erases the rows that have all of these values. Calls `report` for each day, and for each file
/// that holds such rows and doesn't count.
///
/// # Errors
/// `Invalid` for an unknown column or a value of another type; `Conflict` when days keep
/// changing; otherwise the error from reading or writing. A day that fails is a report instead.
pub(crate) async fn erase(
    context: JobContext<'_>,
    columns: &[(String, String)],
    dry_run: bool,
    report: impl FnMut(&JobReport) + Send,
) -> Result<JobSummary> {
    let mut reporter = Reporter::new(report);
    let erasing = Erasing::try_new(context.dataset, columns)?;
    if dry_run {
        plan(context, &erasing, &mut reporter).await?;
        return Ok(reporter.finish());
    }
    let Some(all_days) = Span::ALL.day_bounds() else { return Ok(reporter.finish()) };
    let definitions = context.definitions.ensure_current(context.root, context.staging).await?;
    // A day or a claim that can't be read doesn't stop the rest. Its error is returned at the
    // end.
    let mut unread = fence(context, &erasing).await?;
    let mut erased = BTreeSet::new();
    let mut failed = BTreeSet::new();
    let mut replaced = 0;
    for round in 0.. {
        let snapshot = context.snapshot(Span::ALL).await?;
        let mut found = days_with(context, &snapshot, &definitions, &erasing).await?;
        let is_gone = |error: &Error| error.kind() == ErrorKind::NotFound;
        if found.days.is_empty() && found.failed.iter().any(is_gone) && replaced < ROUNDS {
            // Another writer replaced a file while its day was searched, or the file is lost.
            replaced += 1;
            continue;
        }
        failpoint("erase.look");
        // A day that failed is not tried again.
        found.days.retain(|day| !failed.contains(day));
        if found.days.is_empty() {
            // A generation that is being written may have read matching rows before this search.
            let folders = list_raw(context.root, all_days).await?;
            if !close_generations_in_flight(context.root, context.staging, &folders).await? {
                for day in found.silent {
                    reporter.day(day, Outcome::NotTold);
                }
                reporter.damaged_days(&snapshot, Span::ALL);
                unread.extend(found.failed);
                break;
            }
        }
        if round >= ROUNDS {
            return Err(Error::conflict(format!(
                "rows keep coming that are to be erased; {} days are without them, and others are \
                 not",
                erased.len()
            )));
        }
        for day in found.days {
            match erase_one(context, day, (&definitions, &erasing), &mut reporter).await {
                Ok(true) => drop(erased.insert(day)),
                Ok(false) => {}
                // The other days still lose their matching rows.
                Err(error) => {
                    failed.insert(day);
                    reporter.day(day, Outcome::Failed(error.about(format!("day {day}"))));
                }
            }
        }
    }
    for (day, file) in held_by_others(context, &erasing).await? {
        reporter.part(Period::Day(day), file, Outcome::OwnersFile);
    }
    rebuild(context, &erased, &mut reporter).await?;
    reporter.failures(unread);
    Ok(reporter.finish())
}

/// Reports the days that have matching rows.
async fn plan(
    context: JobContext<'_>,
    erasing: &Erasing,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<()> {
    let snapshot = context.snapshot(Span::ALL).await?;
    let found = days_with(context, &snapshot, context.definitions.opened(), erasing).await?;
    for day in found.days {
        reporter.day(day, Outcome::Planned(Plan::Erase));
    }
    for day in found.silent {
        reporter.day(day, Outcome::NotTold);
    }
    reporter.damaged_days(&snapshot, Span::ALL);
    reporter.failures(found.failed);
    Ok(())
}

/// Erases the matching rows of a day, and reports the result. `false` when another writer changed
/// the day meanwhile.
async fn erase_one(
    context: JobContext<'_>,
    day: Day,
    (definitions, erasing): (&Definitions, &Erasing),
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<bool> {
    let now = context.snapshot(day.span()).await?;
    let Some(live) = now.live(day.span()).next() else { return Ok(false) };
    match erase_day(context, live, definitions, erasing).await? {
        ErasedDay::Overtaken => Ok(false),
        ErasedDay::Erased { dropped } => {
            reporter.day(day, Outcome::Erased);
            for rollup in dropped {
                reporter.part(Period::Day(day), rollup, Outcome::Dropped);
            }
            Ok(true)
        }
    }
}
