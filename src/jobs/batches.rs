//! The batches of a root: what was appended, and what is left of it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::AsArray as _, compute::cast, datatypes::DataType};
use chrono::{DateTime, Utc};
use datafusion::logical_expr::ident;
use futures::StreamExt as _;
use serde::Serialize;

use crate::{
    base::{Day, Error, Result, Span},
    exec::FileTable,
    jobs::JobContext,
    model::{Leaf, LeafDay, LeafKind},
    store::{list_claims, name_damage},
};

/// A batch of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// The batch's id: the caller's or a random one.
    pub id: String,
    /// When the batch was appended, as RFC 3339 in UTC. Only the date is known of a batch with a
    /// caller's id whose rows were merged, and nothing of a batch with a random id.
    pub appended: Option<String>,
    /// Number of rows that are stored, copies included. 0 when all were erased or purged, or when
    /// none was ever published.
    pub rows: u64,
    /// How many of these rows count. The others are copies of rows that count.
    pub counted: u64,
    /// Number of UTC days with stored rows.
    pub days: u64,
    /// The first of these days, `YYYY-MM-DD`.
    pub first_day: Option<String>,
    /// The last of these days, `YYYY-MM-DD`.
    pub last_day: Option<String>,
}

/// What is known of a batch so far.
#[derive(Default)]
struct Found {
    appended: Option<DateTime<Utc>>,
    claimed: Option<String>,
    rows: BTreeMap<Day, u64>,
    counted: u64,
}

/// All batches, by their ids.
///
/// # Errors
/// `Invalid` when the dataset has no column for batches; otherwise the error from reading a file
/// or a claim.
pub(crate) async fn batches(context: JobContext<'_>) -> Result<Vec<Batch>> {
    let column = context.dataset.batch_column().ok_or_else(|| {
        let name = context.dataset.name();
        Error::invalid(format!("the definition `{name}` has no column for batches: `batch = …`"))
    })?;
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for claim in list_claims(context.root).await? {
        let claim = claim?;
        let batch = found.entry(claim.batch).or_default();
        batch.claimed = batch.claimed.take().max(Some(claim.today));
    }
    let snapshot = context.snapshot(Span::ALL).await?;
    if let Some((day, damage)) = snapshot.damaged(Span::ALL).next() {
        return Err(damage.to_error().about(format!("day {day}")));
    }
    for live in snapshot.live(Span::ALL) {
        add_day(context, column, live, &mut found).await?;
    }
    let batches = found.into_iter().map(|(id, found)| Batch {
        id,
        appended: found.appended.map(|time| time.to_rfc3339()).or(found.claimed),
        rows: found.rows.values().sum(),
        counted: found.counted,
        days: found.rows.len() as u64,
        first_day: found.rows.keys().next().map(Day::to_string),
        last_day: found.rows.keys().next_back().map(Day::to_string),
    });
    Ok(batches.collect())
}

/// Adds the raw rows of a day.
async fn add_day(
    context: JobContext<'_>,
    column: &str,
    live: &LeafDay,
    found: &mut BTreeMap<String, Found>,
) -> Result<()> {
    let JobContext { root, dataset, .. } = context;
    let is_ours = |leaf: &&Arc<Leaf>| !leaf.is_purged() && leaf.kind != LeafKind::Foreign;
    let leaves: Vec<_> = live.leaves.iter().filter(is_ours).cloned().collect();
    for leaf in &leaves {
        let table = FileTable::of_leaves(root, dataset, std::slice::from_ref(leaf));
        for (id, rows) in rows_by_batch(context, column, table, live).await? {
            let batch = found.entry(id).or_default();
            *batch.rows.entry(live.day).or_default() += rows;
            if leaf.kind == LeafKind::Appended {
                let time = leaf.file.last_modified;
                batch.appended = Some(batch.appended.map_or(time, |before| before.min(time)));
            }
        }
    }
    let table = FileTable::of_counted(root, dataset, &leaves, &live.leaves, None);
    for (id, rows) in rows_by_batch(context, column, table, live).await? {
        found.entry(id).or_default().counted += rows;
    }
    Ok(())
}

/// The number of rows of each batch. Rows of other tools' files are of no batch.
async fn rows_by_batch(
    context: JobContext<'_>,
    column: &str,
    table: FileTable,
    live: &LeafDay,
) -> Result<BTreeMap<String, u64>> {
    let rows = context.session.read_table(Arc::new(table));
    let mut rows = rows.and_then(|rows| rows.select([ident(column)]))?.execute_stream().await?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(batch) = rows.next().await {
        let batch = match batch.map_err(Error::from) {
            Ok(batch) => batch,
            Err(error) => {
                let files = live.leaves.iter().map(|leaf| &leaf.file);
                return Err(name_damage(context.root, error, files).await);
            }
        };
        let Some(ids) = batch.columns().first() else { continue };
        let ids = cast(ids, &DataType::Utf8)
            .map_err(|error| Error::internal("ids of batches").with_source(error))?;
        for id in ids.as_string::<i32>().iter().flatten() {
            match counts.get_mut(id) {
                Some(count) => *count += 1,
                None => drop(counts.insert(id.to_owned(), 1)),
            }
        }
    }
    Ok(counts)
}
