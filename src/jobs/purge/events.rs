//! The events of a purged day, which remain so that later copies of them don't count.

use std::sync::Arc;

use datafusion::{
    execution::SendableRecordBatchStream, physical_plan::stream::RecordBatchStreamAdapter,
};
use futures::stream;

use crate::{
    base::{Day, Error, Result},
    exec::{EventKeys, read_keys, read_remaining},
    jobs::JobContext,
    model::{Leaf, Rollup, SegmentFile},
};

/// The events of a day, as rows of `events`: those that remain already, and those of the leaves.
/// Gives their number, too.
///
/// # Errors
/// `Corrupt` when a file is damaged; `NotFound` when it is gone; `Unavailable` when the store
/// refuses.
pub(super) async fn events_of_day(
    context: JobContext<'_>,
    day: Day,
    (events, remaining): (&Rollup, Option<&Arc<SegmentFile>>),
    leaves: &[Arc<Leaf>],
) -> Result<(SendableRecordBatchStream, u64)> {
    let JobContext { root, dataset, session, .. } = context;
    let state = session.state();
    let mut keys = Vec::new();
    if let Some(segment) = remaining {
        keys.push(read_remaining(&state, root, (events, segment)).await?);
    }
    let rule = events.unique().ok_or_else(|| Error::internal("events without a rule"))?;
    for leaf in leaves {
        keys.push(read_keys(&state, root, dataset, (rule, leaf)).await?);
    }
    let keys = EventKeys::union(keys);
    let rows = keys.rows(events, day)?.into_iter().map(Ok);
    let stream = RecordBatchStreamAdapter::new(events.segment_schema(), stream::iter(rows));
    Ok((Box::pin(stream), keys.len() as u64))
}
