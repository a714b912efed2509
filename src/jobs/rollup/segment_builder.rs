//! Builds one task: writes the day's groups as a segment.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt as _;
use object_store::ObjectMeta;

use super::{
    Proofs, Task,
    grouping::{
        self, GROUP_FIRST, GROUP_LAST, GROUP_ROWS, group_rows, merge_rows, merge_with_late,
    },
};
use crate::{
    base::{Day, Error, Result},
    jobs::{JobContext, generation::checks::check_days},
    model::{Dataset, Leaf, Period, Rollup, SegmentFile},
    store::{
        FileKind, Root, SegmentFooter, SegmentWriter, leaf_ids, name_damage, read_metadata,
        segment_path, whole_file,
    },
};

/// A segment that was built: the number of raw rows behind it, of its own rows, and of its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Built {
    pub(super) rows_in: u64,
    pub(super) rows_out: u64,
    pub(super) bytes: u64,
}

/// The source of a segment.
#[derive(Debug)]
pub(super) enum Source<'s> {
    /// The day's leaves, with the proven facts about their rows.
    Leaves(&'s Proofs),
    /// A finer rollup's segment of the same leaves.
    Finer(FinerSegment<'s>),
    /// The rollup's own segment of some of the leaves, and the remaining leaves.
    Late(LateLeaves<'s>),
}

/// A segment that is as it was written, and the leaves that it lacks.
#[derive(Debug)]
pub(super) struct LateLeaves<'s> {
    segment: &'s Arc<SegmentFile>,
    leaves: &'s [Arc<Leaf>],
    proofs: Proofs,
    rows_in: u64,
}

impl<'s> LateLeaves<'s> {
    /// Checks the segment, and reads the leaves' footer metadata.
    ///
    /// # Errors
    /// `Corrupt` when the segment is damaged, or when a leaf has a row of another day; `NotFound`
    /// when a file is gone; `Unavailable` when the store refuses.
    pub(super) async fn read(
        context: JobContext<'_>,
        segment: &'s Arc<SegmentFile>,
        leaves: &'s [Arc<Leaf>],
    ) -> Result<Self> {
        let root = context.root;
        let footer = whole_file(root, &segment.file).await?;
        let mut rows_in = footer.rows_in().unwrap_or_default();
        let proofs = Proofs::of(context, leaves).await?;
        if !proofs.all_of_day(context.dataset.time_column(), segment.period.first()) {
            check_days(context, leaves).await?;
        }
        rows_in += rows_of(context, leaves).await?;
        Ok(Self { segment, leaves, proofs, rows_in })
    }
}

/// A finer rollup's segment that was read whole and is as it was written.
#[derive(Debug)]
pub(super) struct FinerSegment<'s> {
    rollup: &'s Rollup,
    segment: Arc<SegmentFile>,
    rows_in: u64,
}

impl<'s> FinerSegment<'s> {
    /// The rollup's segment of the task's leaves, if there is one without damage.
    pub(super) async fn find(root: &Root, rollup: &'s Rollup, task: &Task<'_>) -> Option<Self> {
        let fingerprint = task.live.fingerprint.clone();
        let remains = task.live.remains_of(rollup);
        let remains = remains.filter(|remains| remains.fingerprint == fingerprint);
        let segment = if let Some(remains) = remains {
            Arc::clone(remains)
        } else {
            let location = segment_path(rollup, Period::Day(task.day), &fingerprint);
            let file = root.look(&location).await.ok()??;
            Arc::new(SegmentFile { period: Period::Day(task.day), fingerprint, file })
        };
        let rows_in = whole_file(root, &segment.file).await.ok()?.rows_in()?;
        Some(Self { rollup, segment, rows_in })
    }
}

/// Builds the task's segment and makes it visible.
///
/// # Errors
/// `Corrupt`, naming the leaf, when it is unreadable; `Invalid` when a sum overflows; `Limit`
/// when memory runs out; `NotFound` when a file is gone; `Unavailable` when the disk or the store
/// refuses.
pub(super) async fn build(
    context: JobContext<'_>,
    task: &Task<'_>,
    source: Source<'_>,
) -> Result<Built> {
    let root = context.root;
    let ids = leaf_ids(root, &task.live).await?;
    let mut footer = SegmentFooter::new(task.rollup, task.day, ids);
    let mut groups = groups(context, task, &source).await?;
    let mut writer =
        SegmentWriter::try_new(context.staging, task.rollup, footer.fingerprint.as_str())?;
    while let Some(batch) = groups.next().await {
        let batch = match batch.map_err(Error::from) {
            Ok(batch) => batch,
            Err(error) => return Err(name_damage(root, error, files(task, &source)).await),
        };
        if let Source::Leaves(_) = source {
            footer.rows_in += check_rows(context.dataset, task.day, &batch)?;
        }
        writer = writer.write(&batch).await?;
    }
    match source {
        // Copies that don't count are rows behind the segment, too.
        Source::Leaves(_) if context.dataset.unique().is_some() => {
            footer.rows_in = rows_of(context, &task.live.leaves).await?;
        }
        Source::Leaves(_) => {}
        Source::Finer(finer) => footer.rows_in = finer.rows_in,
        Source::Late(late) => footer.rows_in = late.rows_in,
    }
    footer.rows_out = writer.rows();
    let (rows_in, rows_out) = (footer.rows_in, footer.rows_out);
    let target = segment_path(task.rollup, Period::Day(task.day), &footer.fingerprint);
    let (_, bytes) = writer.publish(root, &target, FileKind::Segment(footer)).await?;
    Ok(Built { rows_in, rows_out, bytes })
}

async fn groups(
    context: JobContext<'_>,
    task: &Task<'_>,
    source: &Source<'_>,
) -> Result<SendableRecordBatchStream> {
    match source {
        Source::Leaves(proofs) => {
            let rows = (task.day, task.live.leaves.as_slice());
            group_rows(context, task.rollup, rows, proofs).await
        }
        Source::Finer(finer) => {
            merge_rows(context, task.rollup, finer.rollup, &finer.segment).await
        }
        Source::Late(late) => {
            let added =
                grouping::RawRows { leaves: late.leaves, proofs: &late.proofs, without: None };
            merge_with_late(context, task.rollup, late.segment, added).await
        }
    }
}

/// The number of rows in these leaves.
///
/// # Errors
/// `NotFound` when a file is gone; `Corrupt` when it is damaged; `Unavailable` when the store
/// refuses.
pub(crate) async fn rows_of(context: JobContext<'_>, leaves: &[Arc<Leaf>]) -> Result<u64> {
    let mut rows = 0;
    for leaf in leaves {
        let metadata = read_metadata(context.root, &leaf.file).await?;
        rows += metadata.file_metadata().num_rows().unsigned_abs();
    }
    Ok(rows)
}

/// The files that a segment is built from.
fn files<'s>(task: &'s Task<'_>, source: &'s Source<'_>) -> Vec<&'s ObjectMeta> {
    match source {
        Source::Leaves(_) => task.live.leaves.iter().map(|leaf| &leaf.file).collect(),
        Source::Finer(finer) => vec![&finer.segment.file],
        Source::Late(late) => {
            let leaves = late.leaves.iter().map(|leaf| &leaf.file);
            leaves.chain([&late.segment.file]).collect()
        }
    }
}

/// Checks that all raw rows behind a batch of groups are of the day. Gives the number of raw
/// rows.
///
/// # Errors
/// `Corrupt` when a row is of another day.
pub(crate) fn check_rows(dataset: &Dataset, day: Day, batch: &RecordBatch) -> Result<u64> {
    let outside = |name| {
        let instants = batch.column_by_name(name)?.as_primitive::<TimestampMicrosecondType>();
        Some(instants.iter().any(|micros| micros.is_none_or(|at| Day::of_micros(at) != day)))
    };
    // When a batch lacks these columns, its rows are proven to be of the day.
    if [GROUP_FIRST, GROUP_LAST].into_iter().filter_map(outside).any(|outside| outside) {
        return Err(Error::corrupt(format!(
            "a file in the folder of {day} holds rows whose `{}` is not of that day",
            dataset.time_column()
        )));
    }
    let rows = batch.column_by_name(GROUP_ROWS);
    let rows = rows.ok_or_else(|| Error::internal(format!("no column {GROUP_ROWS}")))?;
    let rows: i64 = rows.as_primitive::<Int64Type>().values().iter().sum();
    Ok(rows.unsigned_abs())
}
