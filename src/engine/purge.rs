//! Purging: each old day by itself.

use std::sync::Arc;

use super::Tallybook;
use crate::{
    base::{Day, Error, Result, Span},
    exec::Site,
    jobs::Purging,
    store::{LeafDay, Staging, StoreClock},
};

/// Which days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeOptions {
    /// Days that are over for so many days, or more.
    pub older_than_days: u32,
    /// Only say what would be purged.
    pub dry_run: bool,
}

/// What became of a day.
#[derive(Debug)]
pub enum Purge {
    /// Nothing: it was a dry run.
    Planned {
        /// The size of its raw files.
        bytes: u64,
    },
    /// Its raw rows don't count any more; what remains of it does.
    Purged {
        /// The size of its raw files.
        bytes: u64,
    },
    /// It stays: somebody else changed the day meanwhile.
    Overtaken,
    /// It stays for an error; the other days went on.
    Failed(Error),
}

pub(super) async fn purge(
    book: &Tallybook,
    options: &PurgeOptions,
    mut report: impl FnMut(Day, &Purge) + Send,
) -> Result<()> {
    let (root, clock) = (book.root(), book.clock());
    let staging = Staging::open(root, book.settings())?;
    StoreClock::read(root, &staging, clock).await?;
    let days = i32::try_from(options.older_than_days).unwrap_or(i32::MAX);
    let end = clock.today().plus(days.saturating_neg()).start_micros();
    let span = Span::new(i64::MIN, end);
    let snapshot = book.snapshot(span).await?;
    let days: Vec<_> = snapshot.live(span).filter(|live| has_raw_rows(live)).cloned().collect();
    if !options.dry_run {
        book.definition_number(&staging).await?;
    }
    for live in days {
        let day = live.day;
        let done = if options.dry_run {
            Ok(Purge::Planned { bytes: bytes_of(&live) })
        } else {
            purge_day(book, &staging, &live).await
        };
        report(day, &done.unwrap_or_else(|error| Purge::Failed(error.about(format!("day {day}")))));
    }
    snapshot.check_damage(span)
}

/// Writes what remains of the days that were purged in format 1, whose last copies are among the
/// rollups' segments.
///
/// # Errors
/// What reading and writing meet; the days that are done stay done.
pub(super) async fn move_purged_days(book: &Tallybook) -> Result<()> {
    let snapshot = book.snapshot(Span::ALL).await?;
    let of_format_1 = |live: &&Arc<LeafDay>| live.remains.values().any(|it| it.is_hint());
    let days: Vec<_> = snapshot.live(Span::ALL).filter(of_format_1).cloned().collect();
    if days.is_empty() {
        return Ok(());
    }
    let staging = Staging::open(book.root(), book.settings())?;
    for live in days {
        let done = purge_day(book, &staging, &live).await;
        done.map_err(|error| error.about(format!("day {}", live.day)))?;
    }
    Ok(())
}

async fn purge_day(book: &Tallybook, staging: &Staging, live: &LeafDay) -> Result<Purge> {
    let site =
        Site { root: book.root(), dataset: book.dataset(), context: book.context(), staging };
    let definitions = book.definitions(staging).await?;
    let purging = Purging { site, live, definitions: &definitions, without: None };
    let purged = purging.run().await?;
    Ok(if purged { Purge::Purged { bytes: bytes_of(live) } } else { Purge::Overtaken })
}

fn has_raw_rows(live: &LeafDay) -> bool {
    live.leaves.iter().any(|leaf| !leaf.is_purged())
}

fn bytes_of(live: &LeafDay) -> u64 {
    live.leaves.iter().map(|leaf| leaf.file.size).sum()
}
