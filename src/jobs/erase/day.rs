//! Erasing rows: from a day's raw rows, and from the remains of a purged day.
//!
//! 1. The fence: each leaf that a claim lists, and that isn't published, gets a void at its name.
//!    From here on no row that was claimed before can appear unseen.
//! 2. Each day with matching rows is written anew without them, under a mark that makes all
//!    earlier hints useless.
//! 3. The days are searched again, until no day has matching rows.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::ScalarValue,
    execution::SendableRecordBatchStream,
    logical_expr::{Expr, ident, lit},
};
use futures::StreamExt as _;

use super::super::{
    generation::rewrite::{Rewrite, Rewriting},
    purge::{day::Purging, remains::rollup_of},
};
use crate::{
    base::{Day, Error, ErrorKind, Result, Span},
    exec::FileTable,
    jobs::JobContext,
    model::{ColumnType, Dataset, Leaf, LeafDay, LeafKind, Rollup, SegmentFile, Snapshot},
    store::{Definitions, ErasedValue, list_raw, lost_file, read_base},
};

/// The rows to erase: those that have all of these values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Erasing {
    columns: Vec<(String, ScalarValue)>,
}

impl Erasing {
    /// The rows whose columns have these values. A value is compared in its column's type: `0.1`
    /// and `0.10` are the same decimal.
    ///
    /// # Errors
    /// `Invalid` when no column is given, when the dataset lacks a column, or when a value isn't
    /// of its column's type.
    pub(crate) fn try_new(dataset: &Dataset, columns: &[(String, String)]) -> Result<Self> {
        if columns.is_empty() {
            return Err(Error::invalid("erase what? Name an organization, a user, or a column"));
        }
        let typed = columns.iter().map(|(name, value)| {
            let column = dataset.column(name);
            let column =
                column.ok_or_else(|| Error::invalid(format!("there is no column `{name}`")))?;
            Ok((name.clone(), typed(name, value, column.kind)?))
        });
        Ok(Self { columns: typed.collect::<Result<_>>()? })
    }

    /// The condition that the rows to erase meet.
    pub(crate) fn predicate(&self) -> Expr {
        let terms = self.columns.iter().map(|(name, value)| ident(name).eq(lit(value.clone())));
        terms.reduce(Expr::and).unwrap_or_else(|| lit(false))
    }

    /// Whether a rollup's rows show which of them count rows to erase: each column is a
    /// dimension.
    pub(crate) fn is_told_by(&self, rollup: &Rollup) -> bool {
        self.columns.iter().all(|(name, _)| rollup.has_dimension(name))
    }

    /// The values as salted hashes, which can only be recognized by someone who has the values.
    ///
    /// # Errors
    /// `Internal` when a value has no text.
    pub(crate) fn hashed(&self) -> Result<Vec<ErasedValue>> {
        let hashed = self
            .columns
            .iter()
            .map(|(name, value)| Ok(ErasedValue::new(name, &text_of(value)?, rand::random())));
        hashed.collect()
    }

    /// Whether `values` are hashes of these values.
    ///
    /// # Errors
    /// As for [`hashed`](Self::hashed).
    pub(crate) fn is_hashed_as(&self, values: &[ErasedValue]) -> Result<bool> {
        if values.len() != self.columns.len() {
            return Ok(false);
        }
        for ((name, value), hashed) in self.columns.iter().zip(values) {
            if *name != hashed.column || !hashed.is(&text_of(value)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A value as text, in the form that rows have.
fn text_of(value: &ScalarValue) -> Result<String> {
    let text = value.cast_to(&DataType::Utf8)?;
    Ok(text.try_as_str().flatten().unwrap_or_default().to_owned())
}

/// Parses a value in its column's type. No digit may be lost.
fn typed(name: &str, value: &str, kind: ColumnType) -> Result<ScalarValue> {
    let wrong = || Error::invalid(format!("`{value}` is not a value of `{name}`, a {kind}"));
    if let ColumnType::Decimal(_, scale) = kind {
        let digits = value.split_once('.').map_or("", |(_, digits)| digits);
        if digits.trim_end_matches('0').len() > usize::from(scale.unsigned_abs()) {
            return Err(wrong());
        }
    }
    let text = ScalarValue::Utf8(Some(value.to_owned()));
    let typed = text.cast_to(&kind.query_type()).ok().filter(|value| !value.is_null());
    // -0.0 is stored as 0.0.
    let stored = typed.map(|value| match value {
        ScalarValue::Float64(Some(number)) => ScalarValue::Float64(Some(number + 0.0)),
        other => other,
    });
    stored.ok_or_else(wrong)
}

/// The result of erasing rows of a day.
#[derive(Debug)]
pub(crate) enum ErasedDay {
    /// Another writer changed the day meanwhile, and nothing was done.
    Overtaken,
    /// The day is without the rows.
    Erased {
        /// Rollups whose remains of a purged day were dropped: their rows didn't show which of
        /// them counted erased rows.
        dropped: Vec<String>,
    },
}

/// Erases the matching rows of a day.
///
/// # Errors
/// As [`Rewrite::run`] and [`Purging::run`], and the errors from reading the remains.
pub(crate) async fn erase_day(
    context: JobContext<'_>,
    live: &LeafDay,
    definitions: &Definitions,
    erasing: &Erasing,
) -> Result<ErasedDay> {
    let predicate = erasing.predicate();
    if !live.is_purged() {
        let leaves = live.leaves.clone();
        let rewriting = Rewriting::Without(&predicate);
        let rewrite = Rewrite { context, live, leaves, rewriting };
        return Ok(match rewrite.run().await? {
            None => ErasedDay::Overtaken,
            Some(_) => ErasedDay::Erased { dropped: Vec::new() },
        });
    }
    let remains = remains_of(context, live, definitions).await?;
    let (told, others): (Vec<_>, Vec<_>) =
        remains.iter().partition(|(rollup, _)| erasing.is_told_by(rollup));
    // When no remaining row matches, all remains stay, and only matching late rows are left out.
    let dropped: Vec<&Rollup> = if any_remaining_match(context, &told, erasing).await? {
        others.iter().map(|(rollup, _)| rollup).collect()
    } else {
        Vec::new()
    };
    let hashes: Vec<_> = dropped.iter().map(|it| it.definition_hash().to_owned()).collect();
    let without = Some(&predicate);
    let purging = Purging { context, live, definitions, without, dropped: &hashes };
    Ok(if purging.run().await? {
        let dropped = dropped.iter().map(|rollup| rollup.folder().to_owned()).collect();
        ErasedDay::Erased { dropped }
    } else {
        ErasedDay::Overtaken
    })
}

/// The remains of a purged day, each with its rollup. Other days have none.
async fn remains_of(
    context: JobContext<'_>,
    live: &LeafDay,
    definitions: &Definitions,
) -> Result<Vec<(Rollup, Arc<SegmentFile>)>> {
    let Some(base) = live.base.as_ref().filter(|base| base.purged) else { return Ok(Vec::new()) };
    let manifest = read_base(context.root, live.day, base).await?;
    let mut found = Vec::new();
    for remains in &manifest.remains {
        if let Some(segment) = live.remains.get(&remains.hash) {
            let (rollup, _) = rollup_of(context.dataset, definitions, &manifest, remains)?;
            // Events hold no value of a row, and a copy of an erased event never counts.
            if !rollup.is_of_events() {
                found.push((rollup, Arc::clone(segment)));
            }
        }
    }
    Ok(found)
}

/// The result of a search for rows to erase.
#[derive(Debug, Default)]
pub(crate) struct DaysWith {
    /// The days that have matching rows.
    pub(crate) days: Vec<Day>,
    /// The purged days whose remains can't show whether they count matching rows.
    pub(crate) silent: Vec<Day>,
    /// The errors of days that couldn't be searched.
    pub(crate) failed: Vec<Error>,
}

/// Searches all days for rows to erase.
///
/// # Errors
/// `Unavailable` when the store refuses. Any other error of a day goes to [`DaysWith::failed`].
pub(crate) async fn days_with(
    context: JobContext<'_>,
    snapshot: &Snapshot,
    definitions: &Definitions,
    erasing: &Erasing,
) -> Result<DaysWith> {
    let mut found = DaysWith::default();
    for live in snapshot.live(Span::ALL) {
        match look(context, live, definitions, erasing).await {
            Ok((has_such, is_silent)) => {
                found.days.extend(has_such.then_some(live.day));
                found.silent.extend(is_silent.then_some(live.day));
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            Err(error) => found.failed.push(error.about(format!("day {}", live.day))),
        }
    }
    Ok(found)
}

/// Whether a day has matching rows, and whether the remains of a purged day can't show it.
async fn look(
    context: JobContext<'_>,
    live: &LeafDay,
    definitions: &Definitions,
    erasing: &Erasing,
) -> Result<(bool, bool)> {
    if let Some(lost) = live.lost.first() {
        return Err(lost_file(context.root, lost));
    }
    let remains = remains_of(context, live, definitions).await?;
    let told: Vec<_> = remains.iter().filter(|(rollup, _)| erasing.is_told_by(rollup)).collect();
    let remain = any_remaining_match(context, &told, erasing).await?;
    let has_such = remain || has_raw(context, live, erasing).await?;
    // A rollup with a filter can't show rows that the filter left out.
    let tells_all = told.iter().any(|(rollup, _)| rollup.filter().is_none());
    Ok((has_such, live.is_purged() && !tells_all && !remain))
}

/// The files of other tools that don't count and still hold matching rows. They were merged,
/// purged or erased from before, or are copies. Only their owners may delete them.
///
/// # Errors
/// `Unavailable` when the store refuses. A file that can't be read is skipped.
pub(crate) async fn held_by_others(
    context: JobContext<'_>,
    erasing: &Erasing,
) -> Result<Vec<(Day, String)>> {
    let Some(days) = Span::ALL.day_bounds() else { return Ok(Vec::new()) };
    let mut held = Vec::new();
    for folder in list_raw(context.root, days).await? {
        let live = folder.live(context.root).await?;
        let counts = |leaf: &Leaf| live.leaves.iter().any(|it| it.file == leaf.file);
        let foreign = folder.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Foreign);
        for leaf in foreign.filter(|leaf| live.damage.is_none() && !counts(leaf)) {
            match has_rows(context, std::slice::from_ref(leaf), erasing).await {
                Ok(true) => held.push((leaf.day, context.root.full_name(&leaf.file.location))),
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Ok(false) | Err(_) => {}
            }
        }
    }
    Ok(held)
}

async fn has_raw(context: JobContext<'_>, live: &LeafDay, erasing: &Erasing) -> Result<bool> {
    let leaves: Vec<_> = live.leaves.iter().filter(|leaf| !leaf.is_purged()).cloned().collect();
    has_rows(context, &leaves, erasing).await
}

async fn has_rows(
    context: JobContext<'_>,
    leaves: &[Arc<Leaf>],
    erasing: &Erasing,
) -> Result<bool> {
    if leaves.is_empty() {
        return Ok(false);
    }
    let table = FileTable::of_leaves(context.root, context.dataset, leaves);
    let rows = context.session.read_table(Arc::new(table))?;
    let rows = rows.filter(erasing.predicate()).and_then(|rows| rows.limit(0, Some(1)));
    Ok(rows?.count().await? > 0)
}

async fn any_remaining_match(
    context: JobContext<'_>,
    told: &[&(Rollup, Arc<SegmentFile>)],
    erasing: &Erasing,
) -> Result<bool> {
    for (rollup, segment) in told {
        let mut rows = remaining_rows(context, rollup, segment, erasing.predicate()).await?;
        while let Some(batch) = rows.next().await {
            if batch?.num_rows() > 0 {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn remaining_rows(
    context: JobContext<'_>,
    rollup: &Rollup,
    segment: &Arc<SegmentFile>,
    which: Expr,
) -> Result<SendableRecordBatchStream> {
    let table = FileTable::of_segments(context.root, rollup, std::slice::from_ref(segment));
    let rows = context.session.read_table(Arc::new(table)).and_then(|rows| rows.filter(which));
    rows?.execute_stream().await.map_err(Error::from)
}
