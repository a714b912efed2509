//! Erasing: day by day, then the rollups of those days anew, then a look whether anything is left.

use std::collections::{BTreeMap, btree_map::Entry};

use super::Tallybook;
use crate::{
    base::{Day, Error, Result, Span, step},
    build::{JobOptions, Outcome},
    exec::Site,
    lifecycle::{Erasing, days_with, erase_day, segments_of},
    store::Staging,
};

/// How often a day is tried that somebody else keeps changing, and the whole root is looked
/// through again.
const ROUNDS: usize = 5;

/// What became of a day that has such rows.
#[derive(Debug)]
pub enum Erasure {
    /// Nothing: it was a dry run.
    Planned,
    /// Its rows are without them.
    Erased,
    /// That rollup of the day is gone: its rows don't tell which of them counted erased ones, and
    /// the raw rows were purged.
    Dropped {
        /// The rollup.
        rollup: String,
    },
    /// A rollup of the day could not be built anew; the day is read raw until it is.
    NotBuilt(Error),
}

pub(super) async fn erase(
    book: &Tallybook,
    columns: &[(String, String)],
    dry_run: bool,
    mut report: impl FnMut(Day, &Erasure) + Send,
) -> Result<()> {
    let erasing = Erasing::try_new(book.dataset(), columns)?;
    let staging = Staging::open(book.root(), book.settings(), book.clock())?;
    let site = Site {
        root: book.root(),
        dataset: book.dataset(),
        context: book.context(),
        staging: &staging,
    };
    let mut erased = BTreeMap::new();
    let mut clean = false;
    for _ in 0..ROUNDS {
        let snapshot = book.snapshot(Span::ALL).await?;
        let days = days_with(site, &snapshot, &erasing).await?;
        if days.is_empty() {
            clean = true;
            break;
        }
        for day in days {
            if dry_run {
                report(day, &Erasure::Planned);
                continue;
            }
            let late_purged = snapshot
                .live(day.span())
                .any(|live| live.is_purged() && live.loose().next().is_some());
            if late_purged {
                // Its late rows must be in the rollups before these are all that is left.
                rebuild(book, day, |_, _| {}).await?;
            }
            step("erase: before a day");
            let now = book.snapshot(day.span()).await?;
            for live in now.live(day.span()) {
                if erase_day(site, &now, live, &erasing).await?.is_some()
                    && let Entry::Vacant(entry) = erased.entry(day)
                {
                    report(day, &Erasure::Erased);
                    let there = segments_of(book.dataset(), &now, day);
                    entry.insert(there.map(|(rollup, _)| rollup.name()).collect::<Vec<_>>());
                }
            }
        }
        if dry_run {
            return Ok(());
        }
    }
    step("erase: erased");
    for (day, had) in &erased {
        rebuild(book, *day, |day, erasure| match erasure {
            // That one wasn't there before, either.
            Erasure::Dropped { rollup } if !had.contains(&rollup.as_str()) => {}
            erasure => report(day, erasure),
        })
        .await?;
    }
    if clean {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "rows keep coming that are to be erased; {} days are without them, and others are not",
        erased.len()
    )))
}

/// Builds what the day lacks.
async fn rebuild(
    book: &Tallybook,
    day: Day,
    mut report: impl FnMut(Day, &Erasure) + Send,
) -> Result<()> {
    let options = JobOptions { from: Some(day), to: Some(day), ..JobOptions::default() };
    // The rollups of a day that isn't over wait for its end, as ever.
    if day >= book.clock().today() {
        return Ok(());
    }
    book.rollup(&options, |task, outcome| match outcome {
        Outcome::Built { .. } | Outcome::Planned => {}
        Outcome::NoSource => {
            report(task.day, &Erasure::Dropped { rollup: task.rollup.name().to_owned() });
        }
        Outcome::Failed(error) => {
            let error = Error::new(error.kind(), error.to_string());
            report(task.day, &Erasure::NotBuilt(error));
        }
    })
    .await
}
