//! A segment: its bytes against its account, and its rows against those that it was built from.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::{
    Checked, Difference, Verdict, difference,
    rows_differ::{first_difference, joined},
};
use crate::{
    base::Result,
    engine::Tallybook,
    exec::{FileTable, engine_error},
    jobs::{Proofs, group_rows},
    model::Rollup,
    store::{Leaf, LeafDay, NO_ACCOUNT, SegmentFile, check_file},
};

/// A segment against its account, and against the rollup of the leaves it was built from; of purged
/// ones against its account alone.
///
/// # Errors
/// What reading meets.
pub(super) async fn check(
    book: &Tallybook,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    (live, late): (&LeafDay, &[Arc<Leaf>]),
) -> Result<Verdict> {
    let rows = match check_account(book, segment).await? {
        Ok(rows) => rows,
        Err(difference) => return Ok(Err(difference)),
    };
    if live.is_purged() {
        return Ok(Ok(Checked { file: book.root().full_name(&segment.file.location), rows }));
    }
    let in_it = |leaf: &&Arc<Leaf>| !late.iter().any(|late| late.id == leaf.id);
    let leaves: Vec<_> = live.leaves.iter().filter(in_it).cloned().collect();
    let groups = group_rows(
        book.root(),
        book.dataset(),
        book.context(),
        rollup,
        (live.day, &leaves),
        // Nothing is taken from the leaves' own statistics.
        &Proofs::default(),
    )
    .await?;
    let expected =
        datafusion::physical_plan::common::collect(groups).await.map_err(engine_error)?;
    let expected = joined(&rollup.segment_schema(), &expected)?;
    let stored = stored_rows(book, rollup, std::slice::from_ref(segment)).await?;
    let file = book.root().full_name(&segment.file.location);
    Ok(match first_difference(&expected, &stored) {
        None => Ok(Checked { file, rows }),
        Some(what) => Err(Difference { file, what }),
    })
}

/// A segment against its account: its rows.
///
/// # Errors
/// What reading meets.
pub(super) async fn check_account(
    book: &Tallybook,
    segment: &SegmentFile,
) -> Result<Result<u64, Difference>> {
    Ok(match check_file(book.root(), &segment.file).await? {
        Ok((rows, Some(_))) => Ok(rows),
        Ok((_, None)) => Err(difference(book, &segment.file, NO_ACCOUNT)),
        Err(what) => Err(difference(book, &segment.file, what)),
    })
}

/// The rows of segments, in their order.
///
/// # Errors
/// What reading meets.
pub(super) async fn stored_rows(
    book: &Tallybook,
    rollup: &Rollup,
    segments: &[Arc<SegmentFile>],
) -> Result<RecordBatch> {
    let stored = FileTable::of_segments(book.root(), rollup, segments);
    let stored = book
        .context()
        .read_table(Arc::new(stored))
        .and_then(|rows| rows.sort(rollup.segment_order()))
        .map_err(engine_error)?;
    joined(&rollup.segment_schema(), &stored.collect().await.map_err(engine_error)?)
}
