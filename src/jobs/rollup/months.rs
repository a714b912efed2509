//! Month segments. When all days of a month are current and nothing of the month has changed for
//! a while, the rows of its days' segments go into one file, so that a year is a few requests. A
//! day that changes afterwards makes the month's segment useless, and the days' segments serve
//! again. So a month isn't built while rows still arrive.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures::StreamExt as _;

use super::Built;
use crate::{
    base::{Error, Month, Result, Span},
    exec::FileTable,
    jobs::{JobContext, Outcome, report::BuildReason},
    model::{
        Fingerprint, Freshness, LeafDay, Period, Rollup, SegmentFile, Snapshot, month_fingerprint,
    },
    store::{
        FileKind, MonthFooter, Root, SegmentWriter, check_hint, list_segments, name_damage,
        segment_path, whole_file,
    },
};

/// How long nothing of a month must have changed before it is built.
const QUIET: Duration = Duration::from_hours(48);

/// A month whose segment a rollup lacks.
#[derive(Debug)]
pub(super) struct MonthTask<'a> {
    pub(super) rollup: &'a Rollup,
    pub(super) month: Month,
    segments: Vec<Arc<SegmentFile>>,
    fingerprint: Fingerprint,
}

/// The quiet months inside `span` whose segments these rollups lack.
///
/// # Errors
/// `Unavailable` when the store refuses.
pub(super) async fn month_tasks<'a>(
    root: &Root,
    snapshot: &Snapshot,
    span: Span,
    rollups: &[&'a Rollup],
    now: DateTime<Utc>,
) -> Result<Vec<MonthTask<'a>>> {
    let live: Vec<_> = snapshot.live(span).collect();
    let quiet_before = now - QUIET;
    let mut tasks = Vec::new();
    for rollup in rollups {
        let months = live.chunk_by(|a, b| Month::of(a.day) == Month::of(b.day));
        let wanted = months.filter_map(|days| task(snapshot, span, rollup, days, quiet_before));
        let mut wanted: Vec<_> = wanted.collect();
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { continue };
        let found =
            list_segments(root, rollup, (first.month.first(), last.month.last())).await?.months;
        let serves = |task: &MonthTask<'_>, segment: &SegmentFile| {
            segment.period == Period::Month(task.month) && segment.fingerprint == task.fingerprint
        };
        let found: Vec<_> = found.iter().flat_map(|month| &month.segments).collect();
        for segment in &found {
            if wanted.iter().any(|task| serves(task, segment)) {
                check_hint(root, &segment.file).await?;
            }
        }
        wanted.retain(|task| {
            let is_whole = |segment: &&Arc<SegmentFile>| !root.is_distrusted(&segment.file);
            !found.iter().copied().filter(is_whole).any(|segment| serves(task, segment))
        });
        tasks.extend(wanted);
    }
    Ok(tasks)
}

/// The task for the month of `days`, if the month is whole, quiet, and has at least two days.
fn task<'a>(
    snapshot: &Snapshot,
    span: Span,
    rollup: &'a Rollup,
    days: &[&Arc<LeafDay>],
    quiet_before: DateTime<Utc>,
) -> Option<MonthTask<'a>> {
    let month = Month::of(days.first()?.day)?;
    let whole = month.span();
    if days.len() < 2 || !span.contains(whole) || whole.end > quiet_before.timestamp_micros() {
        return None;
    }
    if snapshot.damaged(whole).next().is_some() {
        return None;
    }
    let mut segments = Vec::with_capacity(days.len());
    for live in days {
        let Freshness::Current(segment) = snapshot.freshness(rollup.name(), live.day) else {
            return None;
        };
        segments.push(Arc::clone(segment));
    }
    let leaves = days.iter().flat_map(|live| live.leaves.iter().map(|leaf| &leaf.file));
    let mut files = leaves.chain(segments.iter().map(|segment| &segment.file));
    if files.any(|file| file.last_modified >= quiet_before) {
        return None;
    }
    let fingerprint = month_fingerprint(days.iter().copied().map(Arc::as_ref));
    Some(MonthTask { rollup, month, segments, fingerprint })
}

/// Builds the month's segment and makes it visible.
pub(super) async fn build_month(context: JobContext<'_>, task: &MonthTask<'_>) -> Outcome {
    let start = Instant::now();
    match build(context, task).await {
        Ok(Built { rows_in, rows_out, bytes }) => {
            let (reason, took) = (BuildReason::Missing, start.elapsed());
            Outcome::Built { reason, rows_in, rows_out, bytes, took }
        }
        Err(error) => {
            let subject = format!("rollup `{}`, {}", task.rollup.name(), task.month);
            Outcome::Failed(error.about(subject))
        }
    }
}

async fn build(context: JobContext<'_>, task: &MonthTask<'_>) -> Result<Built> {
    let (root, rollup) = (context.root, task.rollup);
    // A month's segment must not give the rows of a damaged day a valid checksum.
    for segment in &task.segments {
        whole_file(root, &segment.file).await?;
    }
    let table = FileTable::of_segments(root, rollup, &task.segments);
    let rows = context.session.read_table(Arc::new(table));
    let rows = rows.and_then(|rows| rows.sort(rollup.segment_order()));
    let rows = rows?.execute_stream().await;
    let mut rows = rows?;
    let mut writer = SegmentWriter::try_new(context.staging, rollup, task.fingerprint.as_str())?;
    while let Some(batch) = rows.next().await {
        let batch = match batch.map_err(Error::from) {
            Ok(batch) => batch,
            Err(error) => {
                let files = task.segments.iter().map(|segment| &segment.file);
                return Err(name_damage(root, error, files).await);
            }
        };
        writer = writer.write(&batch).await?;
    }
    let rows_out = writer.rows();
    let kind = FileKind::Month(MonthFooter {
        rollup: rollup.folder().to_owned(),
        definition: rollup.definition_hash().to_owned(),
        month: task.month.first().to_string(),
        fingerprint: task.fingerprint.clone(),
        days: task.segments.len(),
        rows_out,
    });
    let target = segment_path(rollup, Period::Month(task.month), &task.fingerprint);
    let (_, bytes) = writer.publish(root, &target, kind).await?;
    Ok(Built { rows_in: rows_out, rows_out, bytes })
}
