//! Purging: verify what will answer, then let the raw rows go.

use std::sync::Arc;

use super::{Difference, Tallybook, verify};
use crate::{
    base::{Day, Error, Result, Span},
    catalog::{Freshness, Snapshot},
    lifecycle::purge_day,
    model::Rollup,
    store::{LeafDay, SegmentFile, Staging},
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
    /// Its raw rows don't count any more; its rollups do.
    Purged {
        /// The size of its raw files.
        bytes: u64,
    },
    /// It stays: these rollups are not current.
    Waits(Vec<String>),
    /// It stays: a segment isn't what the raw rows make.
    Differs(Difference),
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
    let days = i32::try_from(options.older_than_days).unwrap_or(i32::MAX);
    let end = book.clock().today().plus(days.saturating_neg()).start_micros();
    let span = Span::new(i64::MIN, end);
    let snapshot = book.snapshot(span).await?;
    let days = snapshot.live(span).filter(|live| live.leaves.iter().any(|leaf| !leaf.is_purged()));
    let days: Vec<_> = days.cloned().collect();
    if options.dry_run || days.is_empty() {
        for live in days {
            let planned = || Purge::Planned { bytes: bytes_of(&live) };
            report(
                live.day,
                &segments(book, &snapshot, &live).map_or_else(Purge::Waits, |_| planned()),
            );
        }
        return Ok(());
    }
    let staging = Staging::open(book.root(), book.settings(), book.clock())?;
    for live in days {
        let done = purge_one(book, &staging, &snapshot, &live).await;
        let day = live.day;
        report(day, &done.unwrap_or_else(|error| Purge::Failed(error.about(format!("day {day}")))));
    }
    Ok(())
}

async fn purge_one(
    book: &Tallybook,
    staging: &Staging,
    snapshot: &Snapshot,
    live: &Arc<LeafDay>,
) -> Result<Purge> {
    let segments = match segments(book, snapshot, live) {
        Ok(segments) => segments,
        Err(behind) => return Ok(Purge::Waits(behind)),
    };
    for (rollup, segment) in &segments {
        match verify::check_segment(book, rollup, segment, (live, &[])).await? {
            Ok(_) => {}
            Err(difference) => return Ok(Purge::Differs(difference)),
        }
    }
    let paths = segments.iter().map(|(_, segment)| segment.file.location.to_string()).collect();
    let purged = purge_day(book.root(), staging, live, paths, None).await?;
    Ok(if purged { Purge::Purged { bytes: bytes_of(live) } } else { Purge::Overtaken })
}

/// The segment of each rollup, or the rollups that aren't current. One that could not be built when
/// rows were purged before is none of them; and one of an earlier definition only counts from then
/// on.
fn segments<'b>(
    book: &'b Tallybook,
    snapshot: &Snapshot,
    live: &LeafDay,
) -> Result<Vec<(&'b Rollup, Arc<SegmentFile>)>, Vec<String>> {
    let (mut current, mut behind) = (Vec::new(), Vec::new());
    let counts = |rollup: &&Rollup| live.is_purged() || !rollup.is_earlier();
    for rollup in book.dataset().all_rollups().filter(counts) {
        match snapshot.freshness(rollup.name(), live.day) {
            Freshness::Current(segment) => current.push((rollup, Arc::clone(segment))),
            Freshness::Missing if live.is_purged() => {}
            _ => behind.push(rollup.name().to_owned()),
        }
    }
    // Without a rollup nothing would be left.
    if behind.is_empty() && !current.is_empty() { Ok(current) } else { Err(behind) }
}

fn bytes_of(live: &LeafDay) -> u64 {
    live.leaves.iter().map(|leaf| leaf.file.size).sum()
}
