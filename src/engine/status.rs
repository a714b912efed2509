//! What a root holds, day by day.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::Tallybook;
use crate::{
    base::{Day, Result},
    catalog::{Freshness, Snapshot},
    model::Rollup,
    store::read_metadata,
};

/// Footers read at once.
const CONCURRENT_REQUESTS: usize = 32;

/// What a root holds.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The root.
    pub root: String,
    /// The dataset's name.
    pub dataset: String,
    /// Today, UTC: from here on days are not finished, and lack segments rightly.
    pub today: String,
    /// The rollups, in the order of each day's states.
    pub rollups: Vec<String>,
    /// The days that have rows, in order.
    pub days: Vec<DayStatus>,
}

/// One day.
#[derive(Clone, Debug, Serialize)]
pub struct DayStatus {
    /// The date.
    pub date: String,
    /// Raw files.
    pub leaves: usize,
    /// Rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
    /// Each rollup's state.
    pub states: Vec<RollupState>,
    /// Whether the day is over, UTC.
    pub finished: bool,
}

/// How far a rollup serves a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RollupState {
    /// All of it.
    Current,
    /// All but that many leaves.
    Behind(usize),
    /// Nothing.
    Missing,
}

impl Status {
    /// Whether every finished day has a current segment of every rollup.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let mut states = self.days.iter().filter(|day| day.finished).flat_map(|day| &day.states);
        states.all(|state| *state == RollupState::Current)
    }
}

pub(super) async fn status(book: &Tallybook, snapshot: &Snapshot) -> Result<Status> {
    let today = book.clock().today();
    let rollups = book.dataset().rollups();
    let all: Vec<_> = snapshot.days(crate::base::Span::ALL).collect();
    let days = stream::iter(all)
        .map(|(day, leaves)| async move {
            let mut rows = 0;
            for leaf in leaves {
                let metadata = read_metadata(book.root(), &leaf.file).await?;
                rows += metadata.file_metadata().num_rows().unsigned_abs();
            }
            Ok::<_, crate::base::Error>(DayStatus {
                date: day.to_string(),
                leaves: leaves.len(),
                rows,
                bytes: leaves.iter().map(|leaf| leaf.file.size).sum(),
                states: rollups.iter().map(|rollup| state(snapshot, rollup, day)).collect(),
                finished: day < today,
            })
        })
        .buffered(CONCURRENT_REQUESTS)
        .try_collect()
        .await?;
    Ok(Status {
        root: book.location().to_owned(),
        dataset: book.dataset().name().to_owned(),
        today: today.to_string(),
        rollups: rollups.iter().map(|rollup| rollup.name().to_owned()).collect(),
        days,
    })
}

fn state(snapshot: &Snapshot, rollup: &Rollup, day: Day) -> RollupState {
    match snapshot.freshness(rollup.name(), day) {
        Freshness::Current(_) => RollupState::Current,
        Freshness::Behind { late, .. } => RollupState::Behind(late.len()),
        Freshness::Missing => RollupState::Missing,
    }
}
