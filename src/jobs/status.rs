//! The status of a root, day by day.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use crate::{
    base::{Error, ErrorKind, Result, Span},
    jobs::JobContext,
    model::{Freshness, LeafDay, Rollup, Snapshot},
    store::{
        file_footer, has_raw_files, list_raw, list_segments, lost_file, read_base, read_metadata,
    },
};

/// The number of days whose footers are read at once.
const CONCURRENT_REQUESTS: usize = 32;

/// The status of a root.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// The root's name.
    pub root: String,
    /// The dataset's name.
    pub dataset: String,
    /// Today's date, UTC, `YYYY-MM-DD`. From this day on days aren't finished, and may lack
    /// segments.
    pub today: String,
    /// The names of the rollups, in the order of each day's states.
    pub rollups: Vec<String>,
    /// The days that have rows, in order.
    pub days: Vec<DayStatus>,
    /// Everything that can't be answered, and why: days that can't be read, purged days that lack
    /// some of their remains, and days whose folder is gone.
    pub problems: Vec<String>,
}

/// The status of one day.
#[derive(Clone, Debug, Serialize)]
pub struct DayStatus {
    /// The UTC date, `YYYY-MM-DD`.
    pub date: String,
    /// The number of raw files.
    pub leaves: usize,
    /// The number of rows, including those that were purged.
    pub rows: u64,
    /// The size of the raw files, in bytes.
    pub bytes: u64,
    /// How far each rollup serves the day, in the order of [`Status::rollups`].
    pub states: Vec<RollupState>,
    /// Whether the day is over, UTC.
    pub finished: bool,
    /// Whether raw rows of the day were purged, so that only rollups answer for them.
    pub purged: bool,
}

/// How far a rollup serves a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RollupState {
    /// The rollup serves all of the day.
    Current,
    /// The rollup serves all but this many leaves.
    Behind(usize),
    /// There is no segment yet. A segment of a previous definition serves what it can.
    Earlier,
    /// There is no segment.
    Missing,
    /// There is no segment, and none can be built: raw rows of the day were purged.
    Purged,
}

impl Status {
    /// Whether every day can be answered, and every finished day has a current segment of each
    /// rollup for which one can be built.
    #[must_use]
    pub fn is_current(&self) -> bool {
        if !self.problems.is_empty() {
            return false;
        }
        let mut states = self.days.iter().filter(|day| day.finished).flat_map(|day| &day.states);
        states.all(|state| matches!(state, RollupState::Current | RollupState::Purged))
    }
}

/// The status of each day, and how far each rollup serves the day.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(crate) async fn status(context: JobContext<'_>) -> Result<Status> {
    let snapshot = &context.snapshot(Span::ALL).await?;
    let today = context.clock.today();
    let rollups = context.dataset.rollups();
    let all: Vec<_> = snapshot.live(Span::ALL).cloned().collect();
    let days: Vec<(DayStatus, Option<String>)> = stream::iter(all)
        .map(|live| async move {
            let files = || live.leaves.iter().filter(|leaf| !leaf.is_purged());
            // A file that can't be read is a problem of its day alone.
            let (rows, problem) = match rows(context, snapshot, &live).await {
                Ok(rows) => (rows, None),
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => (0, Some(format!("{}: {error}", live.day))),
            };
            let status = DayStatus {
                date: live.day.to_string(),
                leaves: files().count(),
                rows,
                bytes: files().map(|leaf| leaf.file.size).sum(),
                states: rollups
                    .iter()
                    .map(|rollup| state(context, snapshot, rollup, &live))
                    .collect(),
                finished: live.day < today,
                purged: live.is_purged(),
            };
            Ok::<_, Error>((status, problem))
        })
        .buffered(CONCURRENT_REQUESTS)
        .try_collect()
        .await?;
    let (days, unread): (Vec<_>, Vec<_>) = days.into_iter().unzip();
    let unread = unread.into_iter().flatten();
    Ok(Status {
        root: context.root.name().to_owned(),
        dataset: context.dataset.name().to_owned(),
        today: today.to_string(),
        rollups: rollups.iter().map(|rollup| rollup.name().to_owned()).collect(),
        days,
        problems: problems(context, snapshot)
            .into_iter()
            .chain(unread)
            .chain(without_folder(context).await?)
            .collect(),
    })
}

fn problems(context: JobContext<'_>, snapshot: &Snapshot) -> Vec<String> {
    let damaged = snapshot.damaged(Span::ALL);
    let damaged = damaged.map(|(day, damage)| format!("{day} can't be read: {}", damage.what));
    let lost = snapshot.live(Span::ALL).flat_map(|live| {
        live.lost.iter().map(|lost| format!("{}: {}", live.day, lost_file(context.root, lost)))
    });
    let no_manifest = snapshot.live(Span::ALL).filter(|live| lost_manifest(live));
    let no_manifest = no_manifest.map(|live| {
        format!(
            "{}: the day's newest manifest is gone or empty, and only its tag is there; copy the \
             folder raw/date={}/_m again from a backup",
            live.day, live.day
        )
    });
    damaged.chain(lost).chain(no_manifest).collect()
}

/// Whether the store lists the tag of the day's newest manifest without the manifest. Queries need
/// the tag alone, and jobs need the manifest.
fn lost_manifest(live: &LeafDay) -> bool {
    let by_tag = live.base.as_ref().filter(|base| base.manifest.is_none());
    by_tag.is_some_and(|base| base.listed.as_ref().is_none_or(|file| file.size == 0))
}

/// The days that have segments but no raw file, not even a manifest. Rows and segments may arrive
/// while days are listed, so these days are listed again.
async fn without_folder(context: JobContext<'_>) -> Result<Vec<String>> {
    let Some(all_days) = Span::ALL.day_bounds() else { return Ok(Vec::new()) };
    let mut days = BTreeSet::new();
    for rollup in context.dataset.all_rollups() {
        let segments = list_segments(context.root, rollup, all_days).await?;
        days.extend(
            segments.days.iter().filter(|it| !it.segments.is_empty()).map(|it| it.period.first()),
        );
    }
    for folder in list_raw(context.root, all_days).await? {
        if folder.has_files() {
            days.remove(&folder.day);
        }
    }
    let mut problems = Vec::new();
    for day in days {
        if !has_raw_files(context.root, day).await? {
            problems.push(format!(
                "{day}: rollups were built of rows, and all of its raw files are gone; copy them again, or, if it was \
                 deleted on purpose, delete the folders rollups/*/*/date={day}, too"
            ));
        }
    }
    Ok(problems)
}

/// The number of the day's rows, from as few footers as possible. A segment without a filter has
/// the number of rows that it was built from, and a purged day's manifest the number that was
/// purged.
async fn rows(context: JobContext<'_>, snapshot: &Snapshot, live: &LeafDay) -> Result<u64> {
    let root = context.root;
    let of_all = context.dataset.rollups().iter().filter(|rollup| rollup.filter().is_none());
    let served = of_all.filter_map(|rollup| match snapshot.freshness(rollup.name(), live.day) {
        Freshness::Current(segment) => Some((segment, &[][..])),
        Freshness::Behind { segment, late } => Some((segment, late.as_slice())),
        Freshness::Missing => None,
    });
    let mut known = None;
    if let Some((segment, late)) = served.min_by_key(|(_, late)| late.len()) {
        match file_footer(root, &segment.file).await {
            Ok(footer) => known = Some((footer.rows_in().unwrap_or_default(), late)),
            Err(error) if segment.is_hint() && error.kind() == ErrorKind::Corrupt => {
                root.distrust(&segment.file, &error);
            }
            Err(error) => return Err(error),
        }
    }
    let (mut rows, leaves) = match known {
        Some(known) => known,
        None => match &live.base {
            Some(base) if base.purged => {
                let manifest = read_base(root, live.day, base).await?;
                (manifest.content.rows, live.leaves.as_slice())
            }
            _ => (0, live.leaves.as_slice()),
        },
    };
    for leaf in leaves.iter().filter(|leaf| !leaf.is_purged()) {
        let metadata = read_metadata(root, &leaf.file).await?;
        rows += metadata.file_metadata().num_rows().unsigned_abs();
    }
    Ok(rows)
}

fn state(
    context: JobContext<'_>,
    snapshot: &Snapshot,
    rollup: &Rollup,
    live: &LeafDay,
) -> RollupState {
    let mut earlier = context
        .dataset
        .all_rollups()
        .filter(|other| other.is_previous() && other.folder() == rollup.folder());
    let serves =
        |other: &Rollup| !matches!(snapshot.freshness(other.name(), live.day), Freshness::Missing);
    match snapshot.freshness(rollup.name(), live.day) {
        Freshness::Current(_) => RollupState::Current,
        Freshness::Behind { late, .. } => RollupState::Behind(late.len()),
        Freshness::Missing if live.is_purged() => RollupState::Purged,
        Freshness::Missing if earlier.any(serves) => RollupState::Earlier,
        Freshness::Missing => RollupState::Missing,
    }
}
