//! What another price table changes in the costs of stored rows.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array as _, AsArray as _, Decimal128Array, RecordBatch, StringArray},
    datatypes::Decimal128Type,
};
use datafusion::logical_expr::ident;
use futures::StreamExt as _;

use crate::{
    base::{Error, Month, Result},
    exec::FileTable,
    jobs::JobContext,
    model::{Dataset, Leaf, LeafDay, Pricing, REPRICED},
    prices::{PriceTable, price_rows},
    store::name_damage,
};

/// The costs of a model's calls in a month, before and after. Sums are exact, in units of 10⁻¹²
/// dollars, over the calls with a price.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceChange {
    /// Number of calls whose cost or price table changes.
    pub calls: u64,
    /// The sum of these calls' costs before.
    pub before: i128,
    /// The sum of these calls' costs after.
    pub after: i128,
    /// How many of these calls had no price before.
    pub unpriced_before: u64,
    /// How many of these calls have no price after.
    pub unpriced_after: u64,
}

/// What changes, by UTC month and model.
pub type PriceChanges = BTreeMap<(Month, Option<String>), PriceChange>;

/// The rows of a day, in batches with the columns of prices.
pub(super) struct PricedRows<'a> {
    pub(super) context: JobContext<'a>,
    pub(super) live: &'a LeafDay,
    /// The day's files whose rows are priced.
    pub(super) leaves: &'a [Arc<Leaf>],
    pub(super) pricing: &'a Pricing,
    pub(super) table: &'a PriceTable,
}

impl PricedRows<'_> {
    /// Adds what the table changes to `changes`, of the rows that count. Gives the number of calls
    /// that change; `None` when not even a copy changes that doesn't count.
    ///
    /// # Errors
    /// As for reading the day's files.
    pub(super) async fn add_changes(&self, changes: &mut PriceChanges) -> Result<Option<u64>> {
        let month = Month::of(self.live.day);
        let month =
            month.ok_or_else(|| Error::internal(format!("{} has no month", self.live.day)))?;
        let JobContext { root, dataset, .. } = self.context;
        let counted = FileTable::of_counted(root, dataset, self.leaves, &self.live.leaves, None);
        let mut changed = 0;
        let each = |before: &Priced, after: &Priced, row| {
            changed += 1;
            let model = before.model.is_valid(row).then(|| before.model.value(row).to_owned());
            let change = changes.entry((month, model)).or_default();
            change.calls += 1;
            for (cost, sum, unpriced) in [
                (before.at(row).0, &mut change.before, &mut change.unpriced_before),
                (after.at(row).0, &mut change.after, &mut change.unpriced_after),
            ] {
                *sum += cost.unwrap_or(0);
                *unpriced += u64::from(cost.is_none());
            }
        };
        self.each_changed(counted, each).await?;
        if changed > 0 || dataset.unique().is_none() {
            return Ok((changed > 0).then_some(changed));
        }
        let mut copies = 0_u64;
        let all = FileTable::of_leaves(root, dataset, self.leaves);
        self.each_changed(all, |_, _, _| copies += 1).await?;
        Ok((copies > 0).then_some(0))
    }

    /// Calls `each` with the prices before and after, and the place of each row that changes.
    async fn each_changed(
        &self,
        table: FileTable,
        mut each: impl FnMut(&Priced, &Priced, usize) + Send,
    ) -> Result<()> {
        let JobContext { root, dataset, session, .. } = self.context;
        let columns = columns(dataset, self.pricing);
        let names = dataset.columns().iter().enumerate();
        let names = names.filter(|(at, _)| columns.contains(at));
        let names: Vec<_> = names.map(|(_, column)| ident(&column.name)).collect();
        let rows = session.read_table(Arc::new(table)).and_then(|rows| rows.select(names));
        let mut rows = rows?.execute_stream().await?;
        while let Some(batch) = rows.next().await {
            let batch = match batch.map_err(Error::from) {
                Ok(batch) => dataset
                    .in_file_types(&columns, batch.columns())
                    .map_err(|error| Error::internal("rows with prices").with_source(error))?,
                Err(error) => {
                    let files = self.leaves.iter().map(|leaf| &leaf.file);
                    return Err(name_damage(root, error, files).await);
                }
            };
            let (after, _) = price_rows(self.pricing, (self.table, false), &batch)?;
            let before = Priced::of(self.pricing, &batch)?;
            let after = Priced::of(self.pricing, &after)?;
            for row in (0..batch.num_rows()).filter(|row| before.at(*row) != after.at(*row)) {
                each(&before, &after, row);
            }
        }
        Ok(())
    }
}

/// The indexes of the columns that prices are computed from, and of those that they are in.
fn columns(dataset: &Dataset, pricing: &Pricing) -> Vec<usize> {
    let columns = dataset.columns().iter().enumerate();
    let needed = |name: &str| pricing.reads(name) || pricing.computes(name);
    columns.filter(|(_, column)| needed(&column.name)).map(|(at, _)| at).collect()
}

/// The prices of rows.
struct Priced {
    model: StringArray,
    cost: Decimal128Array,
    uncached: Decimal128Array,
    table: StringArray,
}

impl Priced {
    fn of(pricing: &Pricing, rows: &RecordBatch) -> Result<Self> {
        let missing = |name: &str| Error::internal(format!("no column `{name}` with prices"));
        let text = |name: &str| {
            let column = rows.column_by_name(name).and_then(|it| it.as_string_opt::<i32>());
            column.cloned().ok_or_else(|| missing(name))
        };
        let cost = |name: &str| {
            let column = rows.column_by_name(name);
            let column = column.and_then(|it| it.as_primitive_opt::<Decimal128Type>());
            column.cloned().ok_or_else(|| missing(name))
        };
        Ok(Self {
            model: text(&pricing.model)?,
            cost: cost(&pricing.cost)?,
            uncached: cost(&pricing.cost_uncached)?,
            table: text(&pricing.table)?,
        })
    }

    /// The row's cost, its cost without a cache, and the id of the price table.
    fn at(&self, row: usize) -> (Option<i128>, Option<i128>, Option<&str>) {
        let cost = |of: &Decimal128Array| of.is_valid(row).then(|| of.value(row));
        let table = self.table.is_valid(row).then(|| self.table.value(row));
        let table = table.map(|id| id.strip_prefix(REPRICED).unwrap_or(id));
        (cost(&self.cost), cost(&self.uncached), table)
    }
}
