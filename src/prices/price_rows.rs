//! Prices the rows of a batch.

use std::{collections::BTreeMap, collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, Decimal128Array, Int64Array, RecordBatch, StringArray,
        StringBuilder, TimestampMicrosecondArray,
    },
    datatypes::DataType,
};

use super::{
    PriceTable,
    call::{Cost, Tokens, cost},
    entry::{Assumed, Unpriced},
    table::Found,
};
use crate::{
    base::{Error, Result},
    model::{Pricing, REPRICED},
};

/// How many rows have a price, why the others have none, and what was assumed.
#[derive(Clone, Debug, Default)]
pub(crate) struct PricedCounts {
    /// Number of rows with a price.
    pub(crate) priced: u64,
    /// Number of rows without one, by the reason.
    pub(crate) unpriced: BTreeMap<Unpriced, u64>,
    /// Number of priced rows by what was assumed about them.
    pub(crate) assumed: BTreeMap<Assumed, u64>,
}

impl PricedCounts {
    /// Adds other rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.priced += other.priced;
        for (reason, rows) in &other.unpriced {
            *self.unpriced.entry(reason.clone()).or_default() += rows;
        }
        for (what, rows) in &other.assumed {
            *self.assumed.entry(what.clone()).or_default() += rows;
        }
    }
}

/// Fills the columns that a price table computes. The rows are in the dataset's file schema. What
/// these columns held before is replaced, and is NULL where a row has no price. `is_repriced` says
/// that the table isn't the one of the append.
///
/// # Errors
/// `Internal` when a column of `pricing` is missing or of another type.
pub(crate) fn price_rows(
    pricing: &Pricing,
    (table, is_repriced): (&PriceTable, bool),
    rows: &RecordBatch,
) -> Result<(RecordBatch, PricedCounts)> {
    let id = if is_repriced { format!("{REPRICED}{}", table.id()) } else { table.id().to_owned() };
    let calls = Calls::of(pricing, rows)?;
    let mut counts = PricedCounts::default();
    let mut found = HashMap::new();
    let (mut costs, mut uncached) = (Vec::new(), Vec::new());
    let mut tables = StringBuilder::new();
    for row in 0..rows.num_rows() {
        match calls.price(row, table, &mut found) {
            Ok(price) => {
                counts.priced += 1;
                for what in price.assumed {
                    *counts.assumed.entry(what).or_default() += 1;
                }
                costs.push(Some(price.priced));
                uncached.push(Some(price.uncached));
                tables.append_value(&id);
            }
            Err(reason) => {
                *counts.unpriced.entry(reason).or_default() += 1;
                costs.push(None);
                uncached.push(None);
                tables.append_null();
            }
        }
    }
    let written = [
        (&pricing.cost, decimals(costs)),
        (&pricing.cost_uncached, decimals(uncached)),
        (&pricing.table, Arc::new(tables.finish())),
    ];
    let mut columns = rows.columns().to_vec();
    for (name, values) in written {
        let at = rows.schema().index_of(name).map_err(|error| missing(name, &error))?;
        let kind = rows.schema_ref().field(at).data_type().clone();
        if let Some(column) = columns.get_mut(at) {
            *column = arrow::compute::cast(&values, &kind).map_err(|e| missing(name, &e))?;
        }
    }
    let priced = RecordBatch::try_new(rows.schema(), columns);
    Ok((priced.map_err(|error| missing(&pricing.cost, &error))?, counts))
}

fn decimals(costs: Vec<Option<i128>>) -> ArrayRef {
    let kind = DataType::Decimal128(18, 12);
    Arc::new(Decimal128Array::from(costs).with_data_type(kind))
}

fn missing(column: &str, error: &arrow::error::ArrowError) -> Error {
    Error::internal(format!("pricing into `{column}`: {error}"))
}

/// Entries by model and provider.
type Entries<'t, 'r> = HashMap<(&'r str, Option<&'r str>), Result<Found<'t>, Unpriced>>;

/// The columns that prices depend on.
struct Calls<'r> {
    times: &'r TimestampMicrosecondArray,
    model: &'r StringArray,
    provider: Option<&'r StringArray>,
    tier: Option<&'r StringArray>,
    input: &'r Int64Array,
    cached: Option<&'r Int64Array>,
    written: Option<&'r Int64Array>,
    written_hour: Option<&'r Int64Array>,
    output: &'r Int64Array,
    reasoning: Option<&'r Int64Array>,
}

impl<'r> Calls<'r> {
    fn of(pricing: &Pricing, rows: &'r RecordBatch) -> Result<Self> {
        let column = |name: &str| {
            let missing = || Error::internal(format!("no column `{name}` for prices"));
            rows.column_by_name(name).ok_or_else(missing)
        };
        let wrong = |name: &str| Error::internal(format!("column `{name}` for prices"));
        let text = |name: &String| column(name)?.as_string_opt::<i32>().ok_or_else(|| wrong(name));
        let whole = |name: &String| column(name)?.as_primitive_opt().ok_or_else(|| wrong(name));
        let times = column(&pricing.time)?.as_primitive_opt();
        Ok(Self {
            times: times.ok_or_else(|| wrong(&pricing.time))?,
            model: text(&pricing.model)?,
            provider: pricing.provider.as_ref().map(text).transpose()?,
            tier: pricing.tier.as_ref().map(text).transpose()?,
            input: whole(&pricing.input)?,
            cached: pricing.cached.as_ref().map(whole).transpose()?,
            written: pricing.written.as_ref().map(whole).transpose()?,
            written_hour: pricing.written_hour.as_ref().map(whole).transpose()?,
            output: whole(&pricing.output)?,
            reasoning: pricing.reasoning.as_ref().map(whole).transpose()?,
        })
    }

    fn price<'t>(
        &self,
        row: usize,
        table: &'t PriceTable,
        entries: &mut Entries<'t, 'r>,
    ) -> Result<Cost, Unpriced> {
        let text = |column: &'r StringArray| {
            column.is_valid(row).then(|| column.value(row)).filter(|text| !text.is_empty())
        };
        let whole = |column: &Int64Array| column.is_valid(row).then(|| column.value(row));
        let model = text(self.model).ok_or(Unpriced::NoModel)?;
        let provider = self.provider.and_then(text);
        let found = entries.entry((model, provider)).or_insert_with(|| table.find(model, provider));
        let found = found.as_ref().map_err(Unpriced::clone)?;
        let tier = self.tier.and_then(text).map(str::to_lowercase);
        let tier = tier.as_deref().map(|tier| (tier, found.has_tiers));
        let rates = found.entry.rates(tier, self.times.value(row))?;
        let tokens = Tokens {
            input: whole(self.input),
            cached: self.cached.and_then(whole),
            written: self.written.and_then(whole),
            written_hour: self.written_hour.and_then(whole),
            output: whole(self.output),
            reasoning: self.reasoning.and_then(whole),
        };
        let mut priced = cost(tokens, rates)?;
        priced.assumed.extend(found.assumed.clone());
        Ok(priced)
    }
}
