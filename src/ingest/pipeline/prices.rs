//! Computes the prices of rows while their parts are written.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;

use crate::{
    base::{Error, Result},
    ingest::AppendOptions,
    model::Dataset,
    prices::{PriceTable, PricedCounts, price_rows},
};

/// How many rows of an append have a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricesFound {
    /// The id of the price table.
    pub table: String,
    /// Number of rows with a price.
    pub priced: u64,
    /// Why rows have none, each with the number of rows.
    pub unpriced: Vec<(String, u64)>,
    /// What was assumed about priced rows, each with the number of rows.
    pub assumed: Vec<(String, u64)>,
}

/// Prices rows by one table, and counts them.
#[derive(Debug)]
pub(crate) struct Pricer {
    dataset: Arc<Dataset>,
    table: Arc<PriceTable>,
    counts: Mutex<PricedCounts>,
}

impl Pricer {
    /// What prices the rows of an append; `None` when the dataset has no computed prices.
    ///
    /// # Errors
    /// `Invalid` when the caller gave a table and the dataset has no computed prices.
    pub(crate) fn of(dataset: &Arc<Dataset>, options: &AppendOptions) -> Result<Option<Self>> {
        let table = match (&options.prices, dataset.pricing()) {
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(Error::invalid(format!(
                    "the definition `{}` has no table [prices], so no prices can be computed",
                    dataset.name()
                )));
            }
            (Some(table), Some(_)) => Arc::clone(table),
            (None, Some(_)) => PriceTable::shipped()?,
        };
        Ok(Some(Self { dataset: Arc::clone(dataset), table, counts: Mutex::default() }))
    }

    /// The rows with their prices, counted.
    ///
    /// # Errors
    /// `Internal` when the rows are of another schema.
    pub(crate) fn price(&self, rows: RecordBatch) -> Result<RecordBatch> {
        let (rows, counts) = self.priced(rows)?;
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).merge(&counts);
        Ok(rows)
    }

    /// The rows with their prices, for a reader. They aren't counted.
    ///
    /// # Errors
    /// As [`price`](Self::price).
    pub(crate) fn shown(&self, rows: RecordBatch) -> Result<RecordBatch> {
        Ok(self.priced(rows)?.0)
    }

    fn priced(&self, rows: RecordBatch) -> Result<(RecordBatch, PricedCounts)> {
        match self.dataset.pricing() {
            None => Ok((rows, PricedCounts::default())),
            Some(pricing) => price_rows(pricing, (&self.table, false), &rows),
        }
    }

    /// What was found of all rows that were counted.
    pub(crate) fn found(&self) -> PricesFound {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let unpriced = counts.unpriced.iter().map(|(why, rows)| (why.to_string(), *rows));
        let mut unpriced: Vec<_> = unpriced.collect();
        unpriced.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let assumed = counts.assumed.iter().map(|(what, rows)| (what.to_string(), *rows));
        PricesFound {
            table: self.table.id().to_owned(),
            priced: counts.priced,
            unpriced,
            assumed: assumed.collect(),
        }
    }
}
