//! A rollup's rows: a GROUP BY over the day's leaves, or over a finer rollup's segment of the
//! leaves.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::ScalarValue,
    execution::SendableRecordBatchStream,
    functions_aggregate::expr_fn::{count, max, min},
    logical_expr::{Expr, cast, ident, lit},
    prelude::DataFrame,
};

use super::Proofs;
use crate::{
    base::{Day, Error, Grain, Result},
    exec::FileTable,
    jobs::JobContext,
    model::{
        DATE_COLUMN, Function, Leaf, Rollup, SegmentFile, State, StoredState, narrowed,
        stored_needs_room, tag,
    },
};

/// Columns that the job needs for each group of raw rows, and that no segment has: the number of
/// rows, and their first and last instant.
pub(super) const GROUP_ROWS: &str = "tallybook_rows";
pub(super) const GROUP_FIRST: &str = "tallybook_first";
pub(super) const GROUP_LAST: &str = "tallybook_last";

/// Leaves, the proven facts about their rows, and the condition on rows to leave out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawRows<'a> {
    pub(crate) leaves: &'a [Arc<Leaf>],
    pub(crate) proofs: &'a Proofs,
    pub(crate) without: Option<&'a Expr>,
}

/// The rollup's rows from these leaves of the day, sorted by dimensions and bucket. After the
/// rollup's columns comes the number of raw rows in each group. Unless all rows are proven to be
/// of the day, their first and last instant follow.
///
/// # Errors
/// DataFusion's error when the plan can't be made.
pub(crate) async fn group_rows(
    context: JobContext<'_>,
    rollup: &Rollup,
    (day, leaves): (Day, &[Arc<Leaf>]),
    proofs: &Proofs,
) -> Result<SendableRecordBatchStream> {
    let rows = (day, RawRows { leaves, proofs, without: None });
    sorted(grouped_leaves(context, rollup, rows)?, rollup).await
}

fn grouped_leaves(
    context: JobContext<'_>,
    rollup: &Rollup,
    (day, RawRows { leaves, proofs, without }): (Day, RawRows<'_>),
) -> Result<DataFrame> {
    let dataset = context.dataset;
    let time = dataset.time_column();
    let bucket = match rollup.grain() {
        Grain::Day => ident(DATE_COLUMN),
        finer => bucket_of(ident(time), day, finer),
    };
    let mut partials = Vec::new();
    for (state, _) in rollup.states() {
        let column = state.argument.as_deref().unwrap_or_default();
        let partial = if state.kind == State::Count && proofs.no_nulls(column) {
            State::Rows.partial(None, &DataType::Int64, None)?
        } else {
            let (argument, kind) = match rollup.argument(dataset, state) {
                None => (None, DataType::Int64),
                Some((argument, kind)) => (Some(argument), kind),
            };
            let kind_of_state =
                if proofs.sum_fits(column) { state.kind } else { roomy(state, &kind) };
            kind_of_state.partial(argument, &kind, None)?
        };
        partials.push(partial.alias(state.name()));
    }
    let mut beside = vec![GROUP_ROWS];
    partials.push(count(lit(1_i64)).alias(GROUP_ROWS));
    if !proofs.all_of_day(time, day) {
        beside.extend([GROUP_FIRST, GROUP_LAST]);
        partials.push(min(ident(time)).alias(GROUP_FIRST));
        partials.push(max(ident(time)).alias(GROUP_LAST));
    }
    let table = FileTable::of_counted(context.root, dataset, leaves, leaves, without);
    let rows = context.session.read_table(Arc::new(table))?;
    let without = without.map(|without| without.clone().is_not_true());
    let filters = rollup.filter_expr().cloned().into_iter().chain(without);
    let rows = match filters.reduce(Expr::and) {
        None => rows,
        Some(filter) => rows.filter(filter)?,
    };
    let dimensions = rollup.dimensions().iter().map(|column| tag::dimension(&column.name));
    grouped(rows, rollup, (bucket, dimensions.collect()), partials, &beside)
}

/// The rollup's rows, built from a segment of `finer`, which has every dimension and state of
/// `rollup`. The rows have the same order as from raw rows.
///
/// # Errors
/// DataFusion's error when the plan can't be made.
pub(super) async fn merge_rows(
    context: JobContext<'_>,
    rollup: &Rollup,
    finer: &Rollup,
    segment: &Arc<SegmentFile>,
) -> Result<SendableRecordBatchStream> {
    let day = segment.period.first();
    let bucket = match rollup.grain() {
        Grain::Day => lit(ScalarValue::Date32(Some(day.epoch_days()))),
        coarser => bucket_of(ident(finer.bucket_column()), day, coarser),
    };
    let rows = stored_rows(context, finer, segment)?;
    sorted(grouped(rows, rollup, (bucket, stored(rollup)), merges(rollup), &[])?, rollup).await
}

/// The rollup's rows from a segment and from late leaves that the segment lacks. All rows of the
/// leaves must be proven to be of the segment's day. Rows that meet `without` are left out of the
/// leaves. They are left out of the segment only where the rollup has all columns of the
/// condition.
///
/// # Errors
/// DataFusion's error when the plan can't be made.
pub(crate) async fn merge_with_late(
    context: JobContext<'_>,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    late: RawRows<'_>,
) -> Result<SendableRecordBatchStream> {
    let columns: Vec<_> =
        rollup.segment_schema().fields().iter().map(|field| ident(field.name())).collect();
    let mut rows = stored_rows(context, rollup, segment)?;
    let has_all_columns = |without: &&Expr| {
        without.column_refs().iter().all(|column| rollup.has_dimension(column.name()))
    };
    if let Some(without) = late.without.filter(has_all_columns) {
        rows = rows.filter(without.clone().is_not_true())?;
    }
    rows = rows.select(columns.clone())?;
    if !late.leaves.is_empty() {
        let late = grouped_leaves(context, rollup, (segment.period.first(), late))?;
        let late = late.select(columns)?;
        rows = rows.union(late)?;
    }
    let bucket = ident(rollup.bucket_column());
    sorted(grouped(rows, rollup, (bucket, stored(rollup)), merges(rollup), &[])?, rollup).await
}

fn stored_rows(
    context: JobContext<'_>,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
) -> Result<DataFrame> {
    let table = FileTable::of_segments(context.root, rollup, std::slice::from_ref(segment));
    Ok(context.session.read_table(Arc::new(table))?)
}

/// Expressions that merge the rollup's states.
fn merges(rollup: &Rollup) -> Vec<Expr> {
    let merge = |(state, kind): &(StoredState, DataType)| {
        let kind_of_state = if stored_needs_room(kind) { roomy(state, kind) } else { state.kind };
        kind_of_state.merge(kind_of_state.restored(ident(state.name()), kind)).alias(state.name())
    };
    rollup.states().iter().map(merge).collect()
}

/// The dimensions of stored rows.
fn stored(rollup: &Rollup) -> Vec<Expr> {
    rollup.dimensions().iter().map(|column| ident(&column.name)).collect()
}

/// The rows grouped by bucket and dimensions, in the segment's types.
fn grouped(
    rows: DataFrame,
    rollup: &Rollup,
    (bucket, dimensions): (Expr, Vec<Expr>),
    partials: Vec<Expr>,
    beside: &[&str],
) -> Result<DataFrame> {
    let bucket = bucket.alias(rollup.bucket_column());
    let groups = std::iter::once(bucket).chain(dimensions).collect();
    let mut columns = vec![ident(rollup.bucket_column())];
    columns.extend(stored(rollup));
    let in_type = |(state, kind): &(StoredState, DataType)| {
        let (name, value) = (state.name(), ident(state.name()));
        let value = match state.kind {
            State::Sum | State::Squares if !matches!(kind, DataType::Float64) => {
                narrowed(value, kind, &format!("a sum for `{name}`"))
            }
            _ => cast(value, kind.clone()),
        };
        value.alias(name)
    };
    columns.extend(rollup.states().iter().map(in_type));
    columns.extend(beside.iter().map(|name| ident(*name)));
    rows.aggregate(groups, partials).and_then(|rows| rows.select(columns)).map_err(Error::from)
}

/// The groups in the segment's order.
async fn sorted(rows: DataFrame, rollup: &Rollup) -> Result<SendableRecordBatchStream> {
    let rows = rows.sort(rollup.segment_order())?;
    rows.execute_stream().await.map_err(Error::from)
}

/// The kind of a state's aggregate. A sum that could exceed its column's type is computed in a
/// wider type, so that an overflow is an error instead of a wrong number.
fn roomy(state: &StoredState, kind: &DataType) -> State {
    match state.kind {
        State::Sum if Function::Sum.can_wrap(kind) => State::WideSum,
        other => other,
    }
}

/// The first instant of the bucket that contains `time`. Buckets divide the UTC day, so
/// arithmetic is enough. Calendar functions would look up a time zone's offset in each row.
fn bucket_of(time: Expr, day: Day, grain: Grain) -> Expr {
    let micros = cast(time, DataType::Int64);
    let into_bucket = (micros.clone() - lit(day.start_micros())) % lit(grain.micros());
    cast(micros - into_bucket, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
}
