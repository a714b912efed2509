//! Facts about a day's rows that the statistics of its leaves prove, so that the job needn't look
//! at each row.
//!
//! Missing statistics prove nothing, nor do those of another type than ours or of files that
//! other tools wrote. The job then looks at every row.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit},
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData},
        statistics::Statistics,
    },
};

use crate::{
    base::{Day, Result},
    exec::cached_metadata,
    jobs::JobContext,
    model::{ColumnType, Leaf},
    store::FileFooter,
};

/// The number of footers that are read at once.
const CONCURRENT_READS: usize = 16;

/// Facts about all rows of some leaves.
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    columns: HashMap<String, ColumnFacts>,
}

#[derive(Clone, Copy, Debug)]
struct ColumnFacts {
    no_nulls: bool,
    /// The least and the greatest value, and an upper bound on how far any sum is from zero.
    integers: Option<(i64, i64, i128)>,
}

impl Proofs {
    /// Reads the leaves' footer metadata, which the scan then finds in the session's cache.
    ///
    /// # Errors
    /// `Corrupt`, naming the leaf, when it is unreadable; `NotFound` when a leaf is gone;
    /// `Unavailable` when the store refuses.
    pub(crate) async fn of(context: JobContext<'_>, leaves: &[Arc<Leaf>]) -> Result<Self> {
        let JobContext { root, dataset, session, .. } = context;
        let cache = session.runtime_env().cache_manager.get_file_metadata_cache();
        let cache = cache.as_ref();
        let footers = leaves.iter().map(|leaf| cached_metadata(cache, root, &leaf.file));
        let footers: Vec<_> =
            stream::iter(footers).buffer_unordered(CONCURRENT_READS).try_collect().await?;
        if footers.iter().any(|footer| FileFooter::of(footer).is_err()) {
            return Ok(Self::default());
        }
        let facts = dataset.columns().iter().filter_map(|column| {
            let facts = facts_of(&column.name, column.kind, &footers)?;
            Some((column.name.clone(), facts))
        });
        Ok(Self { columns: facts.collect() })
    }

    /// Whether the column has a value in every row.
    pub(super) fn no_nulls(&self, column: &str) -> bool {
        self.columns.get(column).is_some_and(|facts| facts.no_nulls)
    }

    /// Whether no sum of the integer column's values exceeds 64 bits.
    pub(super) fn sum_fits(&self, column: &str) -> bool {
        let integers = self.columns.get(column).and_then(|facts| facts.integers);
        integers.is_some_and(|(_, _, bound)| bound <= i128::from(i64::MAX))
    }

    /// Whether the time column has a value in every row, and every value is of `day`.
    pub(crate) fn all_of_day(&self, time: &str, day: Day) -> bool {
        self.columns.get(time).filter(|facts| facts.no_nulls).is_some_and(|facts| {
            let of_day = |micros: i64| Day::of_micros(micros) == day;
            facts.integers.is_some_and(|(least, greatest, _)| {
                // Without any row, the least value is above the greatest.
                least > greatest || of_day(least) && of_day(greatest)
            })
        })
    }
}

/// The facts about a column in all files; `None` when a file has no statistics for the column.
fn facts_of(name: &str, kind: ColumnType, footers: &[Arc<ParquetMetaData>]) -> Option<ColumnFacts> {
    let mut facts = ColumnFacts { no_nulls: true, integers: Some((i64::MAX, i64::MIN, 0)) };
    for row_group in footers.iter().flat_map(|footer| footer.row_groups()) {
        let mut columns = row_group.columns().iter();
        let chunk = columns.find(|chunk| chunk.column_path().string() == name)?;
        let statistics = chunk.statistics()?;
        facts.no_nulls &= statistics.null_count_opt() == Some(0);
        facts.integers = match (facts.integers, bounds(kind, chunk, statistics)) {
            (Some((least, greatest, bound)), Some((low, high))) => {
                let furthest = i128::from(low.unsigned_abs().max(high.unsigned_abs()));
                let rows = i128::from(row_group.num_rows());
                Some((least.min(low), greatest.max(high), bound + furthest * rows))
            }
            _ => None,
        };
    }
    Some(facts)
}

/// The least and greatest value of an integer, or of a time in microseconds; 0 and 0 when all
/// values are null.
fn bounds(
    kind: ColumnType,
    chunk: &ColumnChunkMetaData,
    statistics: &Statistics,
) -> Option<(i64, i64)> {
    let stored = chunk.column_descr();
    let as_ours = match (kind, stored.logical_type_ref()) {
        (ColumnType::Integer, None) => stored.converted_type() == ConvertedType::NONE,
        (ColumnType::Integer, Some(LogicalType::Integer(kind))) => kind.is_signed,
        (ColumnType::Timestamp, Some(LogicalType::Timestamp(kind))) => {
            kind.unit == TimeUnit::MICROS
        }
        _ => false,
    };
    let Statistics::Int64(values) = statistics else { return None };
    if !as_ours {
        return None;
    }
    match (values.min_opt(), values.max_opt()) {
        (Some(least), Some(greatest)) => Some((*least, *greatest)),
        _ => (statistics.null_count_opt()? == chunk.num_values().unsigned_abs()).then_some((0, 0)),
    }
}
