//! Reads the records of one block, types and checks them, and groups them by day.

use std::collections::BTreeMap;

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
};

use crate::{
    base::{Day, Error, Result},
    ingest::{
        pipeline::rejects::BadRow,
        readers::reader::RowReader,
        rows::{
            field_map::FieldMap,
            row_builder::{BuiltRows, RowBuilder},
        },
    },
    model::Dataset,
};

/// The result of validating one block.
#[derive(Debug)]
pub(crate) struct ValidatedBlock {
    /// The good rows by day, and within a day in input order.
    pub(crate) rows: Vec<(Day, RecordBatch)>,
    /// The bad rows, in input order.
    pub(crate) bad: Vec<BadRow>,
    /// How many rows each warning rule marks, as in [`BuiltRows`].
    pub(crate) warnings: Vec<u64>,
    /// How many records the block has.
    pub(crate) read: u64,
    /// Whether the last record has no line end.
    pub(crate) lacks_line_end: bool,
}

/// Decides which rows of an input are good and which are bad.
pub(crate) struct Validator {
    pub(crate) dataset: std::sync::Arc<Dataset>,
    pub(crate) map: FieldMap,
    pub(crate) today: Day,
    /// Whether bad rows are needed for the rejects file.
    pub(crate) keep_bad: bool,
}

impl Validator {
    pub(crate) fn validate(&self, mut block: Box<dyn RowReader>) -> Result<ValidatedBlock> {
        let mut builder =
            RowBuilder::new(&self.dataset, &self.map, self.today, block.records_max());
        let (mut bad, mut read) = (Vec::new(), 0);
        while let Some(filled) = block.next(&mut builder) {
            read += 1;
            if let Err(fault) = builder.finish(filled) {
                let raw = if self.keep_bad { Some(block.raw()?) } else { None };
                bad.push(BadRow { line: block.line(), fault, raw });
            }
        }
        let BuiltRows { rows, days, warnings } = builder.take()?;
        let lacks_line_end = block.lacks_line_end();
        Ok(ValidatedBlock { rows: by_day(rows, &days)?, bad, warnings, read, lacks_line_end })
    }
}

/// Groups rows by day. `days` holds the day of each row.
fn by_day(rows: RecordBatch, days: &[Day]) -> Result<Vec<(Day, RecordBatch)>> {
    match days.first() {
        None => return Ok(Vec::new()),
        // Logs are in the order of time, so most blocks hold rows of one day.
        Some(first) if days.iter().all(|day| day == first) => return Ok(vec![(*first, rows)]),
        Some(_) => {}
    }
    let mut rows_of: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
    for (at, day) in (0..).zip(days) {
        rows_of.entry(*day).or_default().push(at);
    }
    let taken = rows_of.into_iter().map(|(day, of_day)| {
        let rows = take_record_batch(&rows, &UInt32Array::from(of_day))
            .map_err(|error| Error::internal("rows of a day").with_source(error))?;
        Ok((day, rows))
    });
    taken.collect()
}
