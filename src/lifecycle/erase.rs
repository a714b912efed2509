//! Erasing rows: a day's raw rows without them, and of a purged day what rollups made of them.
//!
//! What was built of the day before gets another fingerprint than the day has now, so that no old
//! segment answers again; a purged day's segments are written anew under the new one first.

use std::sync::Arc;

use arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Int64Type,
};
use datafusion::{
    common::ScalarValue,
    logical_expr::{Expr, cast, ident, lit},
};
use futures::StreamExt as _;

use super::{purge::purge_day, rewrite::Rewrite};
use crate::{
    base::{Day, Error, Result, Span, step},
    catalog::{Freshness, Snapshot},
    exec::{FileTable, Site, engine_error},
    model::{Dataset, Fold, LeafId, Rollup, StoredState},
    store::{
        FileKind, LeafDay, SegmentFile, SegmentFooter, SegmentWriter, leaf_ids, segment_path,
        whole_segment,
    },
};

/// The rows to erase: those that have all of these texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erasing {
    columns: Vec<(String, String)>,
}

impl Erasing {
    /// The rows whose columns have those values.
    ///
    /// # Errors
    /// `Invalid` for no column, or one that the dataset doesn't have.
    pub(crate) fn try_new(dataset: &Dataset, columns: &[(String, String)]) -> Result<Self> {
        if columns.is_empty() {
            return Err(Error::invalid("erase what? Name an organization, a user, or a column"));
        }
        for (name, _) in columns {
            if dataset.column(name).is_none() {
                return Err(Error::invalid(format!("there is no column `{name}`")));
            }
        }
        Ok(Self { columns: columns.to_vec() })
    }

    /// The condition that they meet.
    pub(crate) fn predicate(&self) -> Expr {
        let terms = self.columns.iter().map(|(name, value)| {
            let text = cast(ident(name), arrow::datatypes::DataType::Utf8View);
            text.eq(lit(ScalarValue::Utf8View(Some(value.clone()))))
        });
        terms.reduce(Expr::and).unwrap_or_else(|| lit(false))
    }

    /// Whether a rollup's rows tell which of them are of these rows.
    pub(crate) fn is_told_by(&self, rollup: &Rollup) -> bool {
        self.columns.iter().all(|(name, _)| rollup.has_dimension(name))
    }
}

/// Erases rows of a day; `None` when somebody else changed the day meanwhile, and nothing was done.
///
/// # Errors
/// As for compaction; `Conflict` for a purged day with a rollup that isn't current.
pub(crate) async fn erase_day(
    site: Site<'_>,
    snapshot: &Snapshot,
    live: &LeafDay,
    erasing: &Erasing,
) -> Result<Option<()>> {
    if !live.is_purged() {
        let predicate = erasing.predicate();
        let leaves = live.leaves.clone();
        let rewrite = Rewrite { site, live, leaves, without: Some(&predicate) };
        return Ok(rewrite.run().await?.map(drop));
    }
    let there = segments_of(site.dataset, snapshot, live.day);
    let (told, others): (Vec<_>, Vec<_>) =
        there.partition(|(rollup, _)| erasing.is_told_by(rollup));
    if told.is_empty() {
        return let_late_rows_go(site, live, &others).await;
    }
    let mut ids = leaf_ids(site.root, live).await?;
    let mark = LeafId::of_erasure(&format!("{:032x}", rand::random::<u128>()), live.day);
    ids.push(mark.clone());
    ids.sort_unstable();
    let mut segments = Vec::new();
    for (rollup, freshness) in told {
        let segment = current(rollup, live.day, freshness)?;
        segments.push(without(site, rollup, segment, &ids, erasing).await?);
    }
    step("erase: segments written");
    let done = purge_day(site.root, site.staging, live, segments, Some(mark)).await?;
    Ok(done.then_some(()))
}

/// Lets the raw rows go that came after the day was purged. Nothing tells which of the rows before
/// them were the erased ones', and what rollups made of all of them doesn't either.
async fn let_late_rows_go(
    site: Site<'_>,
    live: &LeafDay,
    there: &[(&Rollup, &Freshness)],
) -> Result<Option<()>> {
    if there.is_empty() {
        return Err(Error::conflict(format!(
            "day {}: its rows were purged and no rollup of it is left, so the rows that came later \
             are in no rollup either, and would be lost",
            live.day
        )));
    }
    let segment = |(rollup, freshness): &(&Rollup, &Freshness)| {
        current(rollup, live.day, freshness).map(|segment| segment.file.location.to_string())
    };
    let segments = there.iter().map(segment).collect::<Result<_>>()?;
    let done = purge_day(site.root, site.staging, live, segments, None).await?;
    Ok(done.then_some(()))
}

/// The rollups that have a segment of the day, and how far it serves.
pub(crate) fn segments_of<'d, 's>(
    dataset: &'d Dataset,
    snapshot: &'s Snapshot,
    day: Day,
) -> impl Iterator<Item = (&'d Rollup, &'s Freshness)> {
    let all = dataset.all_rollups();
    let all = all.map(move |rollup| (rollup, snapshot.freshness(rollup.name(), day)));
    all.filter(|(_, freshness)| !matches!(freshness, Freshness::Missing))
}

/// The segment of all of the day's rows.
fn current<'f>(
    rollup: &Rollup,
    day: Day,
    freshness: &'f Freshness,
) -> Result<&'f Arc<SegmentFile>> {
    match freshness {
        Freshness::Current(segment) => Ok(segment),
        _ => Err(Error::conflict(format!(
            "day {day}: rollup `{}` lacks late rows, and the others were purged; run `rollup` first",
            rollup.name()
        ))),
    }
}

/// The rows of a segment without the erased ones, as a segment of those leaves; its path.
async fn without(
    site: Site<'_>,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    ids: &[LeafId],
    erasing: &Erasing,
) -> Result<String> {
    let root = site.root;
    let account = whole_segment(root, &segment.file).await?;
    let mut footer = SegmentFooter::new(rollup, segment.day, ids.to_vec());
    let mut rows = segment_rows(site, rollup, segment, erasing.predicate().is_not_true()).await?;
    let mut writer = SegmentWriter::try_new(site.staging, rollup, footer.fingerprint.as_str())?;
    let mut calls = Some(0).filter(|_| rollup.filter().is_none());
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(engine_error)?;
        calls = calls.and_then(|calls| Some(calls + rows_behind(&batch)?));
        writer = writer.write(&batch).await?;
    }
    // Without a count how many rows were erased isn't known; how many groups are left is.
    footer.rows_in = calls.unwrap_or(account.rows_in);
    footer.rows_out = writer.rows();
    let target = segment_path(rollup, segment.day, &footer.fingerprint);
    writer.publish(root, &target, FileKind::Segment(footer)).await?;
    step("erase: a segment created");
    Ok(target.to_string())
}

/// The raw rows that those groups are of, if they say.
fn rows_behind(groups: &RecordBatch) -> Option<u64> {
    let rows = StoredState { fold: Fold::Rows, argument: None }.name();
    let rows = groups.column_by_name(&rows)?.as_primitive_opt::<Int64Type>()?;
    rows.values().iter().sum::<i64>().try_into().ok()
}

async fn segment_rows(
    site: Site<'_>,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    which: Expr,
) -> Result<datafusion::execution::SendableRecordBatchStream> {
    let table = FileTable::of_segments(site.root, rollup, std::slice::from_ref(segment));
    let rows = site
        .context
        .read_table(Arc::new(table))
        .and_then(|rows| rows.filter(which))
        .and_then(|rows| rows.sort(rollup.segment_order()))
        .map_err(engine_error)?;
    rows.execute_stream().await.map_err(engine_error)
}

/// The days that have such rows: in raw files, or of purged days in a rollup that tells.
///
/// # Errors
/// What reading meets.
pub(crate) async fn days_with(
    site: Site<'_>,
    snapshot: &Snapshot,
    erasing: &Erasing,
) -> Result<Vec<Day>> {
    let mut days = Vec::new();
    for live in snapshot.live(Span::ALL) {
        if has_raw(site, live, erasing).await? || has_segment(site, snapshot, live, erasing).await?
        {
            days.push(live.day);
        }
    }
    Ok(days)
}

async fn has_raw(site: Site<'_>, live: &LeafDay, erasing: &Erasing) -> Result<bool> {
    let leaves: Vec<_> = live.leaves.iter().filter(|leaf| !leaf.is_purged()).cloned().collect();
    let table = FileTable::of_leaves(site.root, site.dataset, &leaves);
    let rows = site.context.read_table(Arc::new(table)).map_err(engine_error)?;
    let rows = rows.filter(erasing.predicate()).and_then(|rows| rows.limit(0, Some(1)));
    Ok(rows.map_err(engine_error)?.count().await.map_err(engine_error)? > 0)
}

async fn has_segment(
    site: Site<'_>,
    snapshot: &Snapshot,
    live: &LeafDay,
    erasing: &Erasing,
) -> Result<bool> {
    if !live.is_purged() {
        return Ok(false);
    }
    let there = segments_of(site.dataset, snapshot, live.day);
    for (rollup, freshness) in there.filter(|(rollup, _)| erasing.is_told_by(rollup)) {
        let (Freshness::Current(segment) | Freshness::Behind { segment, .. }) = freshness else {
            continue;
        };
        let mut rows = segment_rows(site, rollup, segment, erasing.predicate()).await?;
        while let Some(batch) = rows.next().await {
            if batch.map_err(engine_error)?.num_rows() > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
