//! `status`.

use std::{io::IsTerminal as _, process::ExitCode};

use crate::{
    base::{Day, Error, Result},
    cli::{
        args::{RootArgs, StatusArgs, StatusFormat},
        exit,
        render::{count, size},
        resolve, say,
    },
    engine::{DayStatus, RollupState, Status},
};

/// Days in the picture: eight weeks.
const PICTURE_DAYS: i32 = 56;

/// Days that are named because a rollup doesn't serve them.
const NAMED_DAYS_MAX: usize = 20;

pub(super) async fn run(root: &RootArgs, args: &StatusArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let status = book.status().await?;
    match args.format {
        StatusFormat::Json => {
            let json = serde_json::to_string(&status);
            say(json.map_err(|error| Error::internal("JSON").with_source(error))?)?;
        }
        StatusFormat::Table => print(&status, book.clock().today())?,
    }
    Ok(if status.is_current() { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) })
}

fn print(status: &Status, today: Day) -> Result<()> {
    let total = |of: fn(&DayStatus) -> u64| status.days.iter().map(of).sum::<u64>();
    say(format_args!(
        "{}: dataset {}, {} days, {} leaves, {} rows, {}",
        status.root,
        status.dataset,
        count(status.days.len() as u64),
        count(total(|day| day.leaves as u64)),
        count(total(|day| day.rows)),
        size(total(|day| day.bytes))
    ))?;
    for (at, name) in status.rollups.iter().enumerate() {
        let finished =
            || status.days.iter().filter(|day| day.finished).filter_map(|day| day.states.get(at));
        let current = finished().filter(|state| **state == RollupState::Current).count();
        let missing = finished().filter(|state| **state == RollupState::Missing).count();
        let behind = finished().count() - current - missing;
        say(format_args!("{name}: {current} current, {behind} behind, {missing} missing"))?;
    }
    if std::io::stdout().is_terminal() && !status.days.is_empty() {
        picture(status, today)?;
    }
    let unserved = status.days.iter().filter(|day| {
        day.finished && day.states.iter().any(|state| *state != RollupState::Current)
    });
    for day in unserved.clone().take(NAMED_DAYS_MAX) {
        say(day_line(status, day))?;
    }
    match unserved.count().saturating_sub(NAMED_DAYS_MAX) {
        0 => Ok(()),
        more => say(format_args!("and {more} more days")),
    }
}

fn day_line(status: &Status, day: &DayStatus) -> String {
    let lacking = status.rollups.iter().zip(&day.states).filter_map(|(name, state)| match state {
        RollupState::Current => None,
        RollupState::Missing => Some(format!("{name} missing")),
        RollupState::Behind(1) => Some(format!("{name} behind by 1 leaf")),
        RollupState::Behind(leaves) => Some(format!("{name} behind by {leaves} leaves")),
    });
    let lacking: Vec<_> = lacking.collect();
    format!("{}: {} rows; {}", day.date, count(day.rows), lacking.join(", "))
}

/// A line for each rollup, a sign for each of the last days.
fn picture(status: &Status, today: Day) -> Result<()> {
    let width = status.rollups.iter().map(String::len).max().unwrap_or_default();
    let first = today.plus(1 - PICTURE_DAYS);
    say(format_args!(
        "{:width$}  {first} to {today}: █ current, ▒ behind, ░ missing, · no rows",
        ""
    ))?;
    for (at, name) in status.rollups.iter().enumerate() {
        let signs = (0..PICTURE_DAYS).map(|offset| {
            let day = first.plus(offset);
            let date = day.to_string();
            let found = status.days.iter().find(|day| day.date == date);
            let sign = match found.and_then(|day| day.states.get(at)) {
                None => '·',
                Some(RollupState::Current) => '█',
                Some(RollupState::Behind(_)) => '▒',
                Some(RollupState::Missing) => '░',
            };
            // Weeks start on Monday.
            let gap = if offset > 0 && day.weekday() == 0 { " " } else { "" };
            format!("{gap}{sign}")
        });
        say(format_args!("{name:width$}  {}", signs.collect::<String>()))?;
    }
    Ok(())
}
