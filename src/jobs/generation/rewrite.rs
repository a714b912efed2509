//! Writes a day's raw rows anew: into a few files, perhaps without some rows or with other prices,
//! under the day's next manifest.
//!
//! ```text
//! leaves ─ read ─ sort ─ write files that don't count yet ─ read them back ─ manifest
//!            └ hash, compared with the leaves' footers        └ hash
//! ```

use std::sync::Arc;

use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch},
    compute::filter_record_batch,
};
use datafusion::{
    logical_expr::{Expr, ident, lit},
    prelude::DataFrame,
};
use futures::StreamExt as _;

use super::{
    checks::{check_columns_known, check_days, check_still_absorbed, expected_content},
    next::{Generation, NextManifest, absorb},
    overtaken::unless_changed,
    parts::Parts,
};
use crate::{
    base::{Error, Result},
    exec::{CountedRows, FileTable},
    jobs::JobContext,
    model::{ContentHasher, Dataset, Leaf, LeafDay, LeafId, LeafKind, ManifestState, Pricing},
    prices::{PriceTable, price_rows},
    store::name_damage,
};

/// A day that was rewritten.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// The number of files that hold the day's rows now.
    pub(crate) files: usize,
    /// The rows in these files.
    pub(crate) rows: u64,
    /// The size of these files, in bytes.
    pub(crate) bytes: u64,
}

/// The work of one rewriting.
pub(crate) struct Rewrite<'a> {
    pub(crate) context: JobContext<'a>,
    pub(crate) live: &'a LeafDay,
    /// The leaves whose rows go into the new files.
    pub(crate) leaves: Vec<Arc<Leaf>>,
    pub(crate) rewriting: Rewriting<'a>,
}

/// What a rewriting changes about the rows. When it changes anything, the new manifest gets a mark,
/// so hints that were built before are of other leaves.
#[derive(Clone, Copy)]
pub(crate) enum Rewriting<'a> {
    /// Nothing: the rows are merged into fewer files.
    Merge,
    /// The rows that meet the condition are left out.
    Without(&'a Expr),
    /// The rows are priced by that table.
    Price(&'a Pricing, &'a PriceTable),
}

impl Rewrite<'_> {
    /// Writes the rows to new files and creates the manifest that names them. `None` when another
    /// writer changed the day meanwhile; nothing was changed then.
    ///
    /// # Errors
    /// `Corrupt` when the rows aren't those that the leaves were written with, or when the files
    /// don't read back; `Conflict` when a file has a column that the dataset lacks; `Unavailable`
    /// when the disk or the store refuses. Nothing changed then, unless the store's last answer
    /// was lost.
    pub(crate) async fn run(self) -> Result<Option<Rewritten>> {
        let generation = Generation::begin(self.context, self.live).await?;
        let next = match Box::pin(self.write(&generation)).await {
            Ok(next) => next,
            Err(why) => {
                let why = generation.give_up(why).await;
                return unless_changed(self.context.root, self.live, why).await.map(|()| None);
            }
        };
        let done = Rewritten {
            files: next.files.len(),
            rows: next.content.rows,
            bytes: next.files.iter().map(|file| file.bytes).sum(),
        };
        Ok(generation.commit(next).await?.then_some(done))
    }

    /// Writes the files, which don't count yet. Gives the content of the manifest.
    async fn write(&self, generation: &Generation<'_>) -> Result<NextManifest> {
        let JobContext { root, dataset, .. } = self.context;
        let base = generation.base.as_deref();
        check_columns_known(self.context, &self.leaves).await?;
        let expected = expected_content(self.context, base, &self.leaves).await?;
        let taken = absorb(self.context, &self.leaves).await?;
        let foreign = self.leaves.iter().filter(|leaf| leaf.kind == LeafKind::Foreign);
        check_days(self.context, &foreign.cloned().collect::<Vec<_>>()).await?;
        let mut rows = self.sorted()?.execute_stream().await?;
        let events = match CountedRows::of(dataset, &self.leaves, None) {
            None => None,
            Some(counted) => {
                let state = self.context.session.state();
                Some(counted.proof_of_all(&state, root).await?)
            }
        };
        let mut parts = Parts::new(self.context, self.live.day, generation, events);
        let mut read = ContentHasher::default();
        while let Some(batch) = rows.next().await {
            let batch = match batch.map_err(Error::from) {
                Ok(batch) => batch,
                Err(error) => {
                    let files = self.leaves.iter().map(|leaf| &leaf.file);
                    return Err(name_damage(root, error, files).await);
                }
            };
            let (rows, kept) = typed(dataset, &batch)?;
            read.add(dataset, &rows)?;
            let kept = match self.rewriting {
                Rewriting::Price(pricing, table) => price_rows(pricing, (table, true), &kept)?.0,
                Rewriting::Merge | Rewriting::Without(_) => kept,
            };
            parts.write(kept).await?;
        }
        check_still_absorbed(self.context, &self.leaves, &taken).await?;
        if let Some(expected) = expected
            && expected != read.finish()
        {
            return Err(Error::corrupt(format!(
                "{}: the rows read are {}, and those appended were {expected}; nothing was changed. \
                 `verify` finds the file",
                self.live.day,
                read.finish()
            )));
        }
        let marks = self.marks(generation);
        let (files, content) = parts.finish(&taken, &marks).await?;
        Ok(NextManifest {
            state: ManifestState::Open,
            taken,
            marks,
            files,
            content,
            remains: Vec::new(),
            definitions: Vec::new(),
        })
    }

    /// The mark of a generation whose rows aren't those of the leaves.
    fn marks(&self, generation: &Generation<'_>) -> Vec<LeafId> {
        match self.rewriting {
            Rewriting::Merge => Vec::new(),
            Rewriting::Without(_) | Rewriting::Price(..) => {
                vec![LeafId::of_change(&generation.attempt, self.live.day)]
            }
        }
    }

    /// The leaves' rows in the dataset's order, each with the column [`KEPT`].
    fn sorted(&self) -> Result<DataFrame> {
        let JobContext { root, dataset, session, .. } = self.context;
        let columns = dataset.columns().iter().map(|column| ident(&column.name));
        let kept = match self.rewriting {
            Rewriting::Merge | Rewriting::Price(..) => lit(true),
            Rewriting::Without(predicate) => predicate.clone().is_not_true(),
        };
        let order = dataset.sort().iter().map(|name| ident(name).sort(true, true));
        let order: Vec<_> = order.collect();
        let table = FileTable::of_leaves(root, dataset, &self.leaves);
        let rows = session
            .read_table(Arc::new(table))
            .and_then(|rows| rows.select(columns.chain([kept.alias(KEPT)]).collect::<Vec<_>>()))
            // DataFusion refuses a sort by no column.
            .and_then(|rows| if order.is_empty() { Ok(rows) } else { rows.sort(order) })?;
        Ok(rows)
    }
}

/// An extra column, after the dataset's own: whether a row stays.
const KEPT: &str = "tallybook_kept";

/// Casts a batch to the file schema. Gives all of its rows, and the rows that stay.
fn typed(dataset: &Dataset, batch: &RecordBatch) -> Result<(RecordBatch, RecordBatch)> {
    let fail = |error| Error::internal("raw rows").with_source(error);
    let all: Vec<_> = (0..dataset.columns().len()).collect();
    let rows = dataset.in_file_types(&all, batch.columns()).map_err(fail)?;
    let kept: Option<&BooleanArray> =
        batch.column_by_name(KEPT).and_then(|column| column.as_boolean_opt());
    let kept = kept.ok_or_else(|| Error::internal(format!("no column {KEPT}")))?;
    let kept = filter_record_batch(&rows, kept).map_err(fail)?;
    Ok((rows, kept))
}
