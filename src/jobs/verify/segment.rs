//! Checking a segment: its bytes against its footer, and its rows against the rows of its leaves.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{
    Checked, Difference, Verdict, difference,
    rows_differ::{first_difference, joined},
};
use crate::{
    base::Result,
    exec::FileTable,
    jobs::JobContext,
    jobs::rollup::{Proofs, group_rows},
    model::{Leaf, LeafDay, Rollup, SegmentFile},
    store::{FileCheck, NO_FOOTER, check_file},
};

/// Checks a segment against its footer, and against a rollup of the leaves that it was built
/// from. On a purged day, checks a segment against its footer alone.
///
/// # Errors
/// `NotFound` when a listed file is gone; otherwise the error from reading a file.
pub(super) async fn check(
    context: JobContext<'_>,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    (live, late): (&LeafDay, &[Arc<Leaf>]),
) -> Result<Verdict> {
    let rows = match check_footer(context, segment).await? {
        Ok(rows) => rows,
        Err(difference) => return Ok(Err(difference)),
    };
    if live.is_purged() {
        return Ok(Ok(Checked { file: context.root.full_name(&segment.file.location), rows }));
    }
    let in_it = |leaf: &&Arc<Leaf>| !late.iter().any(|late| late.id == leaf.id);
    let leaves: Vec<_> = live.leaves.iter().filter(in_it).cloned().collect();
    let groups = group_rows(
        context,
        rollup,
        (live.day, &leaves),
        // The check must not rely on the leaves' own statistics.
        &Proofs::default(),
    )
    .await?;
    let expected = datafusion::physical_plan::common::collect(groups).await?;
    let expected = joined(&rollup.segment_schema(), &expected)?;
    let stored = stored_rows(context, rollup, std::slice::from_ref(segment)).await?;
    let file = context.root.full_name(&segment.file.location);
    Ok(match first_difference(&expected, &stored) {
        None => Ok(Checked { file, rows }),
        Some(what) => Err(Difference { file, what }),
    })
}

/// Checks a segment against its footer. Gives the number of its rows.
///
/// # Errors
/// `NotFound` when the file is gone; otherwise the error from reading it.
pub(super) async fn check_footer(
    context: JobContext<'_>,
    segment: &SegmentFile,
) -> Result<Result<u64, Difference>> {
    Ok(match check_file(context.root, &segment.file).await? {
        FileCheck::Intact { rows, .. } => Ok(rows),
        FileCheck::Foreign { .. } => Err(difference(context, &segment.file, NO_FOOTER)),
        FileCheck::Damaged(what) => Err(difference(context, &segment.file, &what.to_string())),
    })
}

/// The rows of segments, sorted in the rollup's order.
///
/// # Errors
/// `NotFound` when a listed file is gone; otherwise the error from reading a file.
pub(super) async fn stored_rows(
    context: JobContext<'_>,
    rollup: &Rollup,
    segments: &[Arc<SegmentFile>],
) -> Result<RecordBatch> {
    let stored = FileTable::of_segments(context.root, rollup, segments);
    let stored = context
        .session
        .read_table(Arc::new(stored))
        .and_then(|rows| rows.sort(rollup.segment_order()))?;
    joined(&rollup.segment_schema(), &stored.collect().await?)
}
