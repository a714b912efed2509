//! Erasing: first the fence, then day by day, then the rollups of those days anew, and a look
//! whether anything is left.

use std::collections::{BTreeMap, BTreeSet};

use super::Tallybook;
use crate::{
    base::{Day, Error, ErrorKind, Result, Span, step},
    exec::Site,
    jobs::{
        ErasedDay, Erasing, JobOptions, Outcome, close_generations_in_flight, days_with, erase_day,
        fence, held_by_others,
    },
    store::{Definitions, Staging, list_raw},
};

/// Batches that are appended meanwhile may hold such rows, too. After so many looks it is given up.
const ROUNDS: usize = 8;

/// What became of a day, or of part of it.
#[derive(Debug)]
pub enum Erasure {
    /// Nothing: it was a dry run, and the day has such rows.
    Planned,
    /// Its rows don't count any more.
    Erased,
    /// Of a purged day what remains for a rollup is gone: its rows didn't tell which of them
    /// counted erased ones, and another rollup's did.
    Dropped {
        /// The rollup.
        rollup: String,
    },
    /// The day was purged, and nothing that remains tells whose rows it counts: they stay.
    NotTold,
    /// A file of another tool, or a copy of one of ours, that holds such rows and doesn't count. It
    /// is its owner's to delete.
    OwnerDeletes {
        /// Its full name.
        file: String,
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
    let staging = Staging::open(book.root(), book.settings())?;
    let site = Site {
        root: book.root(),
        dataset: book.dataset(),
        context: book.context(),
        staging: &staging,
    };
    if dry_run {
        return plan(site, book, &erasing, report).await;
    }
    let Some(all_days) = Span::ALL.day_bounds() else { return Ok(()) };
    let definitions = book.definitions(&staging).await?;
    // A day or a claim that can't be read stops none of the others, and is told at the end.
    let unknown = fence(site, &erasing).await?.into_iter().next();
    let mut erased = BTreeSet::new();
    let mut failed: BTreeMap<Day, Error> = BTreeMap::new();
    let (mut unread, mut replaced) = (None, 0);
    for round in 0.. {
        let snapshot = book.snapshot(Span::ALL).await?;
        let mut found = days_with(site, &snapshot, &definitions, &erasing).await?;
        let is_gone = |error: &Error| error.kind() == ErrorKind::NotFound;
        if found.days.is_empty() && found.failed.iter().any(is_gone) && replaced < ROUNDS {
            // Somebody else replaced a file while its day was looked through; or it is lost.
            replaced += 1;
            continue;
        }
        step("erase.look");
        // What failed once is not tried again.
        found.days.retain(|day| !failed.contains_key(day));
        if found.days.is_empty() {
            // What is being written may have read such rows before this look.
            let folders = list_raw(book.root(), all_days).await?;
            if !close_generations_in_flight(book.root(), &staging, &folders).await? {
                for day in found.silent {
                    report(day, &Erasure::NotTold);
                }
                let damage = || snapshot.check_damage(Span::ALL).err();
                unread = found.failed.into_iter().next().or_else(damage);
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
            match erase_one(site, book, day, (&definitions, &erasing), &mut report).await {
                Ok(true) => drop(erased.insert(day)),
                Ok(false) => {}
                // The other days still lose their rows.
                Err(error) => drop(failed.insert(day, error.about(format!("day {day}")))),
            }
        }
    }
    for (day, file) in held_by_others(site, &erasing).await? {
        report(day, &Erasure::OwnerDeletes { file });
    }
    for day in &erased {
        rebuild(book, *day, &mut report).await?;
    }
    let failed = failed.into_values().next();
    failed.or(unread).or(unknown).map_or(Ok(()), Err)
}

/// Says which days have such rows.
async fn plan(
    site: Site<'_>,
    book: &Tallybook,
    erasing: &Erasing,
    mut report: impl FnMut(Day, &Erasure) + Send,
) -> Result<()> {
    let snapshot = book.snapshot(Span::ALL).await?;
    let found = days_with(site, &snapshot, &book.definitions, erasing).await?;
    for day in found.days {
        report(day, &Erasure::Planned);
    }
    for day in found.silent {
        report(day, &Erasure::NotTold);
    }
    let failed = found.failed.into_iter().next();
    failed.map_or_else(|| snapshot.check_damage(Span::ALL), Err)
}

/// Erases rows of a day, and says what became of it. `false` when somebody else changed it.
async fn erase_one(
    site: Site<'_>,
    book: &Tallybook,
    day: Day,
    (definitions, erasing): (&Definitions, &Erasing),
    report: &mut (impl FnMut(Day, &Erasure) + Send),
) -> Result<bool> {
    let now = book.snapshot(day.span()).await?;
    let Some(live) = now.live(day.span()).next() else { return Ok(false) };
    match erase_day(site, live, definitions, erasing).await? {
        ErasedDay::Overtaken => Ok(false),
        ErasedDay::Erased { dropped } => {
            report(day, &Erasure::Erased);
            for rollup in dropped {
                report(day, &Erasure::Dropped { rollup });
            }
            Ok(true)
        }
    }
}

/// Builds what the day lacks.
async fn rebuild(
    book: &Tallybook,
    day: Day,
    report: &mut (impl FnMut(Day, &Erasure) + Send),
) -> Result<()> {
    let options = JobOptions { from: Some(day), to: Some(day), ..JobOptions::default() };
    // The rollups of a day that isn't over wait for its end, as ever.
    if day >= book.clock().today() {
        return Ok(());
    }
    book.rollup(&options, |task, outcome| {
        if let Outcome::Failed(error) = outcome {
            let error = Error::new(error.kind(), error.to_string());
            report(task.day, &Erasure::NotBuilt(error));
        }
    })
    .await
}
