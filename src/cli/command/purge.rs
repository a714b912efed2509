//! The `purge` command.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use crate::{
    base::{Day, Error, Result},
    cli::{
        args::{PurgeArgs, RootArgs},
        exit,
        render::{JobPrinter, counted, size},
        resolve, tell,
    },
    engine::{Outcome, Period, Plan, PurgeOptions, Tallybook},
    reports::unanswerable,
};

pub(super) async fn run(root: &RootArgs, args: &PurgeArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let options = PurgeOptions {
        older_than_days: args.older_than,
        rollups: args.rollups.clone(),
        dry_run: args.dry_run,
    };
    let (days, bytes) = plan(&db, &options).await?;
    if let Some(last) = days.last().filter(|_| args.rollups.is_empty()) {
        tell_losses(&db, *last).await?;
    }
    if !args.dry_run && !args.yes && !is_agreed(days.len(), bytes)? {
        tell("nothing was purged");
        return Ok(ExitCode::SUCCESS);
    }
    let mut printer = JobPrinter::default();
    let summary = db.purge(&options, |report| printer.report(report)).await?;
    let printed = printer.finish();
    let total = size(printer.bytes);
    let what = if args.rollups.is_empty() {
        format!("raw rows of {}", counted(printer.days, "day", "days"))
    } else {
        counted(printer.days, "file of a rollup", "files of rollups")
    };
    tell(match (printer.days, args.dry_run) {
        (0, _) if !summary.failures.is_empty() => "nothing was purged".to_owned(),
        (0, _) => "there is nothing to purge".to_owned(),
        (_, true) => format!("{what} would be purged, {total}"),
        (_, false) if args.rollups.is_empty() => format!(
            "{what} purged, {total}; rollups keep answering, and `gc` deletes the files after its \
             grace period"
        ),
        (_, false) => format!(
            "{what} purged, {total}; other rollups keep answering, and `gc` deletes the files after \
             its grace period"
        ),
    });
    exit::of_job(&summary.failures, printed)
}

/// What a purge would do: the days, and the bytes.
async fn plan(db: &Tallybook, options: &PurgeOptions) -> Result<(Vec<Day>, u64)> {
    let (mut days, mut bytes) = (Vec::new(), 0);
    let dry = PurgeOptions { dry_run: true, ..options.clone() };
    let planned = db.purge(&dry, |report| {
        if let (Period::Day(day), Outcome::Planned(Plan::Purge(files))) =
            (report.period, &report.outcome)
        {
            days.push(day);
            bytes += files.bytes;
        }
    });
    // The purge itself tells what fails.
    drop(planned.await?);
    days.dedup();
    Ok((days, bytes))
}

/// Tells which questions nothing will answer once the raw rows are gone.
async fn tell_losses(db: &Tallybook, last: Day) -> Result<()> {
    let lost = unanswerable(db, last).await?;
    if !lost.columns.is_empty() {
        tell(format_args!(
            "no rollup has {}: questions about them will have no answer for these days",
            lost.columns.join(", ")
        ));
    }
    if !lost.reports.is_empty() {
        tell(format_args!("these reports will have none, either: {}", lost.reports.join(", ")));
    }
    Ok(())
}

/// Whether the purge may begin. On a terminal, the user is asked.
fn is_agreed(days: usize, bytes: u64) -> Result<bool> {
    let input = std::io::stdin();
    if days == 0 || !input.is_terminal() {
        return Ok(true);
    }
    let days = counted(days as u64, "day", "days");
    let question = format!("purge {days}, {}? This can't be undone. [y/N] ", size(bytes));
    let refused = |error| Error::io("standard input", error);
    let mut out = std::io::stderr();
    out.write_all(question.as_bytes()).and_then(|()| out.flush()).map_err(refused)?;
    let mut answer = String::new();
    input.read_line(&mut answer).map_err(refused)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
