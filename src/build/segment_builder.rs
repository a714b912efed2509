//! One task: a GROUP BY over the day's leaves, written as a segment.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Int64Type, IntervalMonthDayNano, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    common::ScalarValue,
    execution::SendableRecordBatchStream,
    functions::datetime::expr_fn::{date_bin, date_trunc},
    functions_aggregate::expr_fn::{count, max, min},
    logical_expr::{Expr, cast, ident, lit},
    prelude::SessionContext,
};
use futures::StreamExt as _;

use super::Task;
use crate::{
    base::{Day, Error, ErrorKind, Grain, Result},
    exec::{FileTable, engine_error},
    model::{DATE_COLUMN, Dataset, Fold, Rollup},
    store::{
        Creation, FileKind, Leaf, Packing, Root, SealedWriter, SegmentFooter, Staging, create_file,
        name_damage, read_footer, segment_path,
    },
};

/// Columns that the job needs of each group, and no segment keeps.
const GROUP_ROWS: &str = "tallybook_rows";
const GROUP_FIRST: &str = "tallybook_first";
const GROUP_LAST: &str = "tallybook_last";

/// A segment that was built.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    /// Raw rows read.
    pub rows_in: u64,
    /// Rows of the segment.
    pub rows_out: u64,
    /// Its size.
    pub bytes: u64,
    /// Whether this call made it visible, or found that another builder had.
    pub creation: Creation,
}

/// Builds the task's segment and makes it visible.
///
/// # Errors
/// `Corrupt` naming an unreadable leaf, `Invalid` when a sum overflows, `Limit` without memory,
/// `Unavailable` when disk or store refuse.
pub(super) async fn build(
    root: &Root,
    dataset: &Dataset,
    context: &SessionContext,
    staging: &Staging,
    task: &Task<'_>,
) -> Result<Built> {
    let ids = task.leaves.iter().map(|leaf| leaf.id.clone()).collect();
    let mut footer = SegmentFooter::new(task.rollup, task.day, ids);
    let mut groups = group_rows(root, dataset, context, task.rollup, &task.leaves).await?;
    let schema = task.rollup.segment_schema();
    let name = format!("{}-{}.parquet", task.rollup.name(), footer.fingerprint);
    let (path, file) = staging.create(&name)?;
    let mut writer = SealedWriter::try_new(path, file, Arc::clone(&schema), Packing::Quick)?;
    while let Some(batch) = groups.next().await {
        let batch = match batch.map_err(engine_error) {
            Ok(batch) => batch,
            Err(error) => {
                let files = task.leaves.iter().map(|leaf| &leaf.file);
                return Err(name_damage(root, error, files).await);
            }
        };
        footer.rows_in += check_rows(dataset, task.day, &batch)?;
        footer.rows_out += batch.num_rows() as u64;
        let columns = batch.columns().iter().take(schema.fields().len()).cloned().collect();
        let rows = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Error::internal("segment rows").with_source(error))?;
        writer.write(&rows)?;
    }
    let (rows_in, rows_out) = (footer.rows_in, footer.rows_out);
    let target = segment_path(task.rollup, task.day, &footer.fingerprint);
    let (path, bytes) = writer.finish(FileKind::Segment(footer.clone()))?;
    let judge = || async {
        let Some(found) = read_footer(root, &target).await? else { return Ok(None) };
        // Another builder's segment of the same leaves holds the same rows.
        match found.segment() {
            Some(segment) if *segment == footer => Ok(Some(Creation::Same)),
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}: is not the segment that its name says", root.full_name(&target)),
            )),
        }
    };
    let creation = create_file(root, &target, &path, judge).await?;
    drop(std::fs::remove_file(path));
    Ok(Built { rows_in, rows_out, bytes, creation })
}

/// The rollup's rows of these leaves, sorted by dimensions and bucket; behind its columns come the
/// number, first and last instant of each group's raw rows.
///
/// # Errors
/// DataFusion's, when the plan can't be made.
pub(crate) async fn group_rows(
    root: &Root,
    dataset: &Dataset,
    context: &SessionContext,
    rollup: &Rollup,
    leaves: &[Arc<Leaf>],
) -> Result<SendableRecordBatchStream> {
    let time = ident(dataset.time_column());
    let bucket = match rollup.grain() {
        Grain::Day => ident(DATE_COLUMN),
        Grain::Hour => date_trunc(lit("hour"), time.clone()),
        Grain::QuarterHour => quarter_hour(time.clone()),
    };
    let names = || rollup.dimensions().iter().map(|column| ident(&column.name));
    let mut groups = vec![bucket.alias(rollup.bucket_column())];
    groups.extend(names());
    let mut partials = Vec::new();
    let mut columns = vec![ident(rollup.bucket_column())];
    columns.extend(names());
    for (state, kind) in rollup.states() {
        // Sums of integers are made in a type that has room, so that one too large for its column
        // is an error instead of a wrong number.
        let wide = state.fold == Fold::Sum && *kind == DataType::Int64;
        let fold = if wide { Fold::WideSum } else { state.fold };
        let (argument, argument_type) = match rollup.argument(dataset, state) {
            None => (None, DataType::Int64),
            Some((argument, kind)) => (Some(argument), kind),
        };
        let partial = fold.partial(argument, &argument_type, None)?;
        partials.push(partial.alias(state.name()));
        columns.push(cast(ident(state.name()), kind.clone()).alias(state.name()));
    }
    partials.push(count(lit(1_i64)).alias(GROUP_ROWS));
    partials.push(min(time.clone()).alias(GROUP_FIRST));
    partials.push(max(time).alias(GROUP_LAST));
    columns.extend([GROUP_ROWS, GROUP_FIRST, GROUP_LAST].map(ident));
    let order = names().chain([ident(rollup.bucket_column())]);
    let order: Vec<_> = order.map(|column: Expr| column.sort(true, false)).collect();
    let table = FileTable::of_leaves(root, dataset, leaves);
    let rows = context
        .read_table(Arc::new(table))
        .and_then(|rows| match rollup.filter_expr() {
            None => Ok(rows),
            Some(filter) => rows.filter(filter.clone()),
        })
        .and_then(|rows| rows.aggregate(groups, partials))
        .and_then(|rows| rows.select(columns))
        .and_then(|rows| rows.sort(order))
        .map_err(engine_error)?;
    rows.execute_stream().await.map_err(engine_error)
}

/// Quarters of UTC hours are those of the epoch.
fn quarter_hour(time: Expr) -> Expr {
    let micros = Grain::QuarterHour.micros();
    let stride = IntervalMonthDayNano::new(0, 0, micros * 1_000);
    let epoch = ScalarValue::TimestampNanosecond(Some(0), Some("UTC".into()));
    let quarter = date_bin(lit(ScalarValue::IntervalMonthDayNano(Some(stride))), time, lit(epoch));
    cast(quarter, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
}

/// The raw rows behind a batch of groups, all of which must be of the day.
fn check_rows(dataset: &Dataset, day: Day, batch: &RecordBatch) -> Result<u64> {
    let column = |name| {
        batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name}")))
    };
    let (rows, first, last) = (column(GROUP_ROWS)?, column(GROUP_FIRST)?, column(GROUP_LAST)?);
    let first = first.as_primitive::<TimestampMicrosecondType>();
    let last = last.as_primitive::<TimestampMicrosecondType>();
    let outside = |micros: i64| Day::of_micros(micros) != day;
    let foreign = first.null_count() > 0
        || first.values().iter().copied().any(outside)
        || last.values().iter().copied().any(outside);
    if foreign {
        return Err(Error::corrupt(format!(
            "a file in the folder of {day} holds rows whose `{}` is not of that day",
            dataset.time_column()
        )));
    }
    let rows: i64 = rows.as_primitive::<Int64Type>().values().iter().sum();
    Ok(rows.unsigned_abs())
}
