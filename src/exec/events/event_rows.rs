//! The rows of a raw file as events: identity, and rank among copies.

use std::sync::Arc;

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BooleanArray, Date32Array, Int64Array, RecordBatch,
    },
    compute::SortOptions,
    datatypes::Int64Type,
    row::{RowConverter, Rows, SortField},
};
use datafusion::{
    catalog::{Session, TableProvider as _},
    error::Result,
    physical_plan::execute_stream,
};
use futures::TryStreamExt as _;

use crate::{
    base::{Day, Error},
    exec::FileTable,
    model::{
        Dataset, EVENT_COLUMN, Leaf, Prefer, REPRICED, Rollup, SegmentFile, Unique, row_hashes,
    },
    store::Root,
};

/// The events of a file: the 64-bit hash of each row with an identity, sorted. A collision makes
/// two events seem to be one. That costs a closer look, and never a digit.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventKeys(Vec<u64>);

/// How many keys are written at once.
const ROWS_OF_A_BATCH: usize = 8192;

impl EventKeys {
    /// The events of several files.
    pub(crate) fn union(files: impl IntoIterator<Item = Self>) -> Self {
        let mut keys: Vec<_> = files.into_iter().flat_map(|keys| keys.0).collect();
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }

    /// Whether a row's event is among them.
    pub(super) fn contain(&self, key: u64) -> bool {
        self.0.binary_search(&key).is_ok()
    }

    /// The keys as rows of [`Dataset::events`].
    ///
    /// # Errors
    /// `Internal` when the keys don't fit the schema.
    pub(crate) fn rows(&self, events: &Rollup, day: Day) -> Result<Vec<RecordBatch>> {
        let mut keys: Vec<_> = self.0.iter().map(|key| key.cast_signed()).collect();
        keys.sort_unstable();
        let batches = keys.chunks(ROWS_OF_A_BATCH).map(|keys| {
            let days = Date32Array::from(vec![day.epoch_days(); keys.len()]);
            let columns: Vec<ArrayRef> =
                vec![Arc::new(days), Arc::new(Int64Array::from(keys.to_vec()))];
            Ok(RecordBatch::try_new(events.segment_schema(), columns)?)
        });
        batches.collect()
    }

    /// The events of rows in the dataset's file schema.
    ///
    /// # Errors
    /// `Internal` when a column of the rule is missing.
    pub(crate) fn of(rule: &Unique, rows: &RecordBatch) -> Result<Self> {
        identity_hashes(rule, rows).map(Self::sorted)
    }

    fn sorted(hashes: Vec<Option<u64>>) -> Self {
        let mut keys: Vec<_> = hashes.into_iter().flatten().collect();
        keys.sort_unstable();
        Self(keys)
    }

    /// Number of rows with an identity.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no two rows are copies of one event.
    pub(crate) fn are_distinct(&self) -> bool {
        self.0.is_sorted_by(|one, next| one < next)
    }

    /// Whether the other file has no copy of an event of this file.
    pub(crate) fn are_apart(&self, other: &Self) -> bool {
        let mut others = other.0.iter().peekable();
        self.0.iter().all(|key| {
            while others.next_if(|other| *other < key).is_some() {}
            others.peek() != Some(&key)
        })
    }

    /// How many rows are copies of an event of an earlier row here, or of one of the other files.
    pub(crate) fn copies(&self, others: &[&Self]) -> u64 {
        let events = self.0.chunk_by(|one, other| one == other);
        let copies = events.map(|rows| {
            let key = rows.first().copied().unwrap_or_default();
            let is_known = others.iter().any(|other| other.0.binary_search(&key).is_ok());
            rows.len() - usize::from(!is_known)
        });
        copies.sum::<usize>() as u64
    }
}

/// For each row the hash of its identity; `None` for rows without one. The hash is part of the
/// files' format: the two halves of the row hash `x1` over the columns of the identity, joined by
/// exclusive or.
///
/// # Errors
/// `Internal` when a column of the rule is missing.
fn identity_hashes(rule: &Unique, rows: &RecordBatch) -> Result<Vec<Option<u64>>> {
    let schema = rows.schema();
    let names = rule.key.iter().chain(&rule.same);
    let columns = names.map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    let identity = rows.project(&columns)?;
    let keys = identity.columns().iter().take(rule.key.len());
    let keys: Vec<_> = keys.collect();
    let hashes = row_hashes(&identity)?.into_iter().enumerate();
    let hashes = hashes.map(|(row, hash)| {
        #[expect(clippy::cast_possible_truncation, reason = "folds 128 bits to 64")]
        let folded = (hash ^ (hash >> 64)) as u64;
        keys.iter().all(|key| key.is_valid(row)).then_some(folded)
    });
    Ok(hashes.collect())
}

/// The rows of a batch, as events.
pub(super) struct Events {
    identities: Rows,
    ranks: Rows,
    has_identity: Vec<bool>,
}

impl Events {
    /// The rows, which are in the dataset's file schema.
    ///
    /// # Errors
    /// `Internal` when a column of the rule is missing.
    pub(super) fn of(rule: &Unique, rows: &RecordBatch) -> Result<Self> {
        let column = |name: &String| {
            let missing = || Error::internal(format!("no column `{name}` for events"));
            rows.column_by_name(name).cloned().ok_or_else(missing)
        };
        let columns = |names: &[String]| names.iter().map(column).collect::<Result<Vec<_>, _>>();
        let keys = columns(&rule.key)?;
        let has_identity =
            (0..rows.num_rows()).map(|row| keys.iter().all(|key| key.is_valid(row))).collect();
        let mut identity = keys;
        identity.extend(columns(&rule.same)?);
        let time = column(&rule.time)?;
        let stable = rule.stable.as_ref().map(column).transpose()?;
        // The copy with the least rank counts.
        let (first, last) = (SortOptions::default(), SortOptions::new(true, false));
        let mut ranks = match &rule.prefer {
            Prefer::First => vec![(time, first)],
            Prefer::Last => vec![(time, last)],
            Prefer::Greatest(name) => vec![(column(name)?, last), (time, first)],
        };
        if let Some(table) = stable {
            // What `reprice` was told stays, whatever a later append computes.
            let ids = table.as_string::<i32>().iter();
            let repriced = ids.map(|id| Some(id.is_some_and(|id| id.starts_with(REPRICED))));
            ranks.push((Arc::new(repriced.collect::<BooleanArray>()), last));
            ranks.push((table, SortOptions::new(false, false)));
        }
        Ok(Self { identities: encoded(identity)?, ranks: sorted(ranks)?, has_identity })
    }

    /// What identifies the event of a row; `None` when the row is no copy of any other row.
    pub(super) fn identity(&self, row: usize) -> Option<&[u8]> {
        let has_one = self.has_identity.get(row).copied().unwrap_or(false);
        has_one.then(|| self.identities.row(row).data())
    }

    /// The rank of a row among copies. The least one counts.
    pub(super) fn rank(&self, row: usize) -> &[u8] {
        self.ranks.row(row).data()
    }
}

fn encoded(columns: Vec<ArrayRef>) -> Result<Rows> {
    sorted(columns.into_iter().map(|column| (column, SortOptions::default())).collect())
}

fn sorted(columns: Vec<(ArrayRef, SortOptions)>) -> Result<Rows> {
    let fields = columns.iter();
    let fields = fields
        .map(|(column, options)| SortField::new_with_options(column.data_type().clone(), *options));
    let converter = RowConverter::new(fields.collect())?;
    let columns: Vec<_> = columns.into_iter().map(|(column, _)| column).collect();
    Ok(converter.convert_columns(&columns)?)
}

/// Calls `each` with the rows of a file, in their order and in the dataset's file schema. `columns`
/// are the columns to read, and none for all.
///
/// # Errors
/// `Corrupt` when the file is damaged; `NotFound` when it is gone; `Unavailable` when the store
/// refuses; an error of `each`.
pub(super) async fn each_batch(
    state: &dyn Session,
    root: &Root,
    dataset: &Dataset,
    (leaf, columns): (&Arc<Leaf>, Option<&[usize]>),
    mut each: impl FnMut(RecordBatch) -> Result<()> + Send,
) -> Result<()> {
    let table = FileTable::of_leaves(root, dataset, std::slice::from_ref(leaf));
    let columns = columns.map_or_else(|| (0..dataset.columns().len()).collect(), <[_]>::to_vec);
    let scan = table.scan(state, Some(&columns), &[], None).await?;
    let mut rows = execute_stream(Arc::clone(&scan), state.task_ctx())?;
    while let Some(batch) = rows.try_next().await? {
        each(dataset.in_file_types(&columns, batch.columns())?)?;
    }
    // The scan is in no plan whose bytes are counted.
    let read = scan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
    let read = read.map_or(0, |bytes| bytes.as_usize());
    root.request_counter().count_bytes(read as u64);
    Ok(())
}

/// The events of a file.
///
/// # Errors
/// As for reading the file.
pub(crate) async fn read_keys(
    state: &dyn Session,
    root: &Root,
    dataset: &Dataset,
    file: (&Unique, &Arc<Leaf>),
) -> Result<EventKeys> {
    keys_by_row(state, root, dataset, file).await.map(EventKeys::sorted)
}

/// For each row of a file the hash of its identity; `None` for rows without one.
///
/// # Errors
/// As for reading the file.
pub(super) async fn keys_by_row(
    state: &dyn Session,
    root: &Root,
    dataset: &Dataset,
    (rule, leaf): (&Unique, &Arc<Leaf>),
) -> Result<Vec<Option<u64>>> {
    let names = rule.key.iter().chain(&rule.same);
    let mut columns: Vec<_> = names.filter_map(|name| dataset.column_index(name)).collect();
    columns.sort_unstable();
    columns.dedup();
    let mut keys = Vec::new();
    each_batch(state, root, dataset, (leaf, Some(columns.as_slice())), |rows| {
        keys.extend(identity_hashes(rule, &rows)?);
        Ok(())
    })
    .await?;
    Ok(keys)
}

/// The events that remain of a purged day.
///
/// # Errors
/// As for reading the file.
pub(crate) async fn read_remaining(
    state: &dyn Session,
    root: &Root,
    (events, segment): (&Rollup, &Arc<SegmentFile>),
) -> Result<EventKeys> {
    let table = FileTable::of_segments(root, events, std::slice::from_ref(segment));
    let scan = table.scan(state, None, &[], None).await?;
    let mut rows = execute_stream(scan, state.task_ctx())?;
    let mut keys = Vec::new();
    while let Some(batch) = rows.try_next().await? {
        let column = batch.column_by_name(EVENT_COLUMN);
        let column = column.and_then(|column| column.as_primitive_opt::<Int64Type>());
        let column = column.ok_or_else(|| Error::internal(format!("no column {EVENT_COLUMN}")))?;
        keys.extend(column.values().iter().map(|key| key.cast_unsigned()));
    }
    keys.sort_unstable();
    Ok(EventKeys(keys))
}
