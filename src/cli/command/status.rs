//! The `status` command.

use std::{io::IsTerminal as _, process::ExitCode};

use crate::{
    base::{Day, Error, Result},
    cli::{
        args::{RootArgs, StatusArgs, StatusFormat},
        exit,
        render::{counted, size},
        resolve, say,
    },
    engine::{DayStatus, RollupState, Status},
};

/// Number of days in the picture: eight weeks.
const PICTURE_DAYS: i32 = 56;

/// Maximum number of days that are listed because a rollup doesn't serve them.
const NAMED_DAYS_MAX: usize = 20;

pub(super) async fn run(root: &RootArgs, args: &StatusArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let status = db.status().await?;
    match args.format {
        StatusFormat::Json => {
            let json = serde_json::to_string(&status);
            say(json.map_err(|error| Error::internal("JSON").with_source(error))?)?;
        }
        StatusFormat::Table => print(&status, db.clock().today())?,
    }
    Ok(if status.is_current() { ExitCode::SUCCESS } else { ExitCode::from(exit::NO) })
}

fn print(status: &Status, today: Day) -> Result<()> {
    let total = |of: fn(&DayStatus) -> u64| status.days.iter().map(of).sum::<u64>();
    say(format_args!(
        "{}: dataset {}, {}, {}, {}, {}",
        status.root,
        status.dataset,
        counted(status.days.len() as u64, "day", "days"),
        counted(total(|day| day.leaves as u64), "leaf", "leaves"),
        counted(total(|day| day.rows), "row", "rows"),
        size(total(|day| day.bytes))
    ))?;
    match status.days.iter().filter(|day| day.purged).count() {
        0 => {}
        days => {
            let days = counted(days as u64, "day", "days");
            say(format_args!("raw rows of {days} were purged"))?;
        }
    }
    for problem in &status.problems {
        say(problem)?;
    }
    for (at, name) in status.rollups.iter().enumerate() {
        let finished =
            || status.days.iter().filter(|day| day.finished).filter_map(|day| day.states.get(at));
        let current = finished().filter(|state| **state == RollupState::Current).count();
        let missing = finished().filter(|state| **state == RollupState::Missing).count();
        let purged = finished().filter(|state| **state == RollupState::Purged).count();
        let earlier = finished().filter(|state| **state == RollupState::Earlier).count();
        let behind = finished().count() - current - missing - purged - earlier;
        let lost = match purged {
            0 => String::new(),
            purged => format!(", {purged} with nothing to be built of: purged"),
        };
        let to_build = match earlier {
            0 => String::new(),
            earlier => format!(", {earlier} served by a previous definition until they are built"),
        };
        say(format_args!(
            "{name}: {current} current, {behind} behind, {missing} missing{to_build}{lost}"
        ))?;
    }
    if std::io::stdout().is_terminal() && !status.days.is_empty() {
        picture(status, today)?;
    }
    let unserved = status.days.iter().filter(|day| {
        let lacks =
            |state: &RollupState| !matches!(state, RollupState::Current | RollupState::Purged);
        day.finished && day.states.iter().any(lacks)
    });
    for day in unserved.clone().take(NAMED_DAYS_MAX) {
        say(day_line(status, day))?;
    }
    match unserved.count().saturating_sub(NAMED_DAYS_MAX) {
        0 => Ok(()),
        more => say(format_args!("and {}", counted(more as u64, "more day", "more days"))),
    }
}

fn day_line(status: &Status, day: &DayStatus) -> String {
    let lacking = status.rollups.iter().zip(&day.states).filter_map(|(name, state)| match state {
        RollupState::Current | RollupState::Purged => None,
        RollupState::Missing => Some(format!("{name} missing")),
        RollupState::Earlier => Some(format!("{name} of a previous definition")),
        RollupState::Behind(1) => Some(format!("{name} behind by 1 leaf")),
        RollupState::Behind(leaves) => Some(format!("{name} behind by {leaves} leaves")),
    });
    let lacking: Vec<_> = lacking.collect();
    format!("{}: {}; {}", day.date, counted(day.rows, "row", "rows"), lacking.join(", "))
}

/// Prints a line for each rollup, with a sign for each of the last days.
fn picture(status: &Status, today: Day) -> Result<()> {
    let width = status.rollups.iter().map(String::len).max().unwrap_or_default();
    let first = today.plus(1 - PICTURE_DAYS);
    say(format_args!(
        "{:width$}  {first} to {today}: █ current, ▒ behind, ░ missing, × purged, · no rows",
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
                Some(RollupState::Behind(_) | RollupState::Earlier) => '▒',
                Some(RollupState::Missing) => '░',
                Some(RollupState::Purged) => '×',
            };
            // A gap precedes each Monday, where a week starts.
            let gap = if offset > 0 && day.weekday() == 0 { " " } else { "" };
            format!("{gap}{sign}")
        });
        say(format_args!("{name:width$}  {}", signs.collect::<String>()))?;
    }
    Ok(())
}
