//! Erasing: first the fence, then day by day, then the rollups of those days anew, and a look
//! whether anything is left.

use std::collections::BTreeSet;

use crate::{
    base::{Day, Error, ErrorKind, Result, Span, failpoint},
    jobs::{
        JobContext, JobOptions, JobReport, JobSummary, Outcome,
        erase::{
            day::{ErasedDay, Erasing, days_with, erase_day, held_by_others},
            fence::fence,
        },
        generation::close::close_generations_in_flight,
        report::{Plan, Reporter},
        rollup,
    },
    model::Period,
    store::{Definitions, list_raw},
};

/// Batches that are appended meanwhile may hold such rows, too. After so many looks it is given up.
const ROUNDS: usize = 8;

/// Erases the rows that have all of these values, telling `report` of each day, and of the files
/// that hold such rows and don't count.
///
/// # Errors
/// `Invalid` for a column that there isn't; `Conflict` when days keep changing; else what reading
/// and writing meet. A day that fails is a report.
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
    let definitions = context.definitions.current(context.root, context.staging).await?;
    // A day or a claim that can't be read stops none of the others, and is told at the end.
    let unknown = fence(context, &erasing).await?.into_iter().next();
    let mut erased = BTreeSet::new();
    let mut failed = BTreeSet::new();
    let (mut unread, mut replaced) = (None, 0);
    for round in 0.. {
        let snapshot = context.snapshot(Span::ALL).await?;
        let mut found = days_with(context, &snapshot, &definitions, &erasing).await?;
        let is_gone = |error: &Error| error.kind() == ErrorKind::NotFound;
        if found.days.is_empty() && found.failed.iter().any(is_gone) && replaced < ROUNDS {
            // Somebody else replaced a file while its day was looked through; or it is lost.
            replaced += 1;
            continue;
        }
        failpoint("erase.look");
        // What failed once is not tried again.
        found.days.retain(|day| !failed.contains(day));
        if found.days.is_empty() {
            // What is being written may have read such rows before this look.
            let folders = list_raw(context.root, all_days).await?;
            if !close_generations_in_flight(context.root, context.staging, &folders).await? {
                for day in found.silent {
                    reporter.day(day, Outcome::NotTold);
                }
                reporter.damaged_days(&snapshot, Span::ALL);
                unread = found.failed.into_iter().next();
                break;
            }
        }
        if round == ROUNDS {
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
                // The other days still lose their rows.
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
    for day in &erased {
        rebuild(context, *day, &mut reporter).await?;
    }
    unread.or(unknown).map_or(Ok(reporter.finish()), Err)
}

/// Says which days have such rows.
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
    let failed = found.failed.into_iter().next();
    reporter.damaged_days(&snapshot, Span::ALL);
    failed.map_or(Ok(()), Err)
}

/// Erases rows of a day, and says what became of it. `false` when somebody else changed it.
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

/// Builds what the day lacks.
async fn rebuild(
    context: JobContext<'_>,
    day: Day,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<()> {
    let options = JobOptions { from: Some(day), to: Some(day), ..JobOptions::default() };
    // The rollups of a day that isn't over wait for its end, as ever.
    if day >= context.clock.today() {
        return Ok(());
    }
    // What was built is no news: the day had it before.
    let built = rollup(context, &options, |_| {}).await?;
    for error in built.failures {
        reporter.day(day, Outcome::Failed(error));
    }
    Ok(())
}
