//! Reads the records of one block, types and checks them, and groups them by day.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

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
            header::is_known,
            row_builder::{BuiltRows, Fault, RowBuilder},
            row_map::{RowMap, SourceColumns},
        },
    },
    model::Dataset,
    sources::{Carried, Json, Kept, Place, Value},
};

/// How many names of ignored fields are remembered.
const IGNORED_MAX: usize = 100;

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
    /// How many rows the source left out, by the reason.
    pub(crate) skipped: BTreeMap<String, u64>,
    /// How many rows come from records that the source doesn't recognize.
    pub(crate) unlike: u64,
    /// For each column, whether a record had its field.
    pub(crate) seen: Vec<bool>,
    /// Names of fields that nothing reads.
    pub(crate) ignored: BTreeSet<String>,
    /// Whether the last record has no line end.
    pub(crate) lacks_line_end: bool,
}

/// Decides which rows of an input are good and which are bad.
pub(crate) struct Validator {
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) map: Arc<RowMap>,
    /// What the records of this input carry on, if the source says so. Blocks are then read one
    /// after the other.
    pub(crate) carried: Mutex<Carried>,
    pub(crate) today: Day,
    /// Whether bad rows are needed for the rejects file.
    pub(crate) keep_bad: bool,
}

impl Validator {
    /// Whether the blocks of the input must be validated one after the other.
    pub(crate) fn needs_order(&self) -> bool {
        self.map.source.as_ref().is_some_and(|source| source.source.carries())
    }

    pub(crate) fn validate(&self, mut block: Box<dyn RowReader>) -> Result<ValidatedBlock> {
        let fields = &self.map.fields;
        let mut builder = RowBuilder::new(&self.dataset, fields, self.today, block.records_max());
        let mut found = Found::default();
        match &self.map.source {
            None => self.read_fields(block.as_mut(), &mut builder, &mut found)?,
            Some(source) => self.read_rows(source, block.as_mut(), &mut builder, &mut found)?,
        }
        let BuiltRows { rows, days, warnings, seen, ignored } = builder.take()?;
        let Found { bad, read, skipped, unlike, ignored: of_source } = found;
        Ok(ValidatedBlock {
            rows: by_day(rows, &days)?,
            bad,
            warnings,
            read,
            skipped,
            unlike,
            seen,
            ignored: &ignored | &of_source,
            lacks_line_end: block.lacks_line_end(),
        })
    }

    /// Reads records whose fields are columns by name.
    fn read_fields(
        &self,
        block: &mut dyn RowReader,
        builder: &mut RowBuilder<'_>,
        found: &mut Found,
    ) -> Result<()> {
        while let Some(filled) = block.next(builder) {
            found.read += 1;
            if let Err(fault) = builder.finish(filled) {
                found.bad.push(self.bad_row(block, fault)?);
            }
        }
        Ok(())
    }

    /// Reads records whose rows and values a source finds.
    fn read_rows(
        &self,
        source: &SourceColumns,
        block: &mut dyn RowReader,
        builder: &mut RowBuilder<'_>,
        found: &mut Found,
    ) -> Result<()> {
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner).clone();
        while let Some(record) = block.record() {
            found.read += 1;
            let record = match record {
                Ok(record) => record,
                Err(fault) => {
                    found.bad.push(self.bad_row(block, fault)?);
                    continue;
                }
            };
            found.note_ignored(source, &record);
            let rows = source.source.rows(&record, &mut carried);
            if rows.is_empty() {
                *found.skipped.entry("has no calls in it".to_owned()).or_default() += 1;
            }
            // A record is taken with all of its rows or not at all. So its copy in the rejects
            // file, once mended, brings no row a second time.
            let mark = builder.mark();
            let mut faults = Vec::new();
            for row in &rows {
                let filled = match source.source.keeps(row, &carried) {
                    Kept::Skipped(because) => {
                        *found.skipped.entry(because).or_default() += 1;
                        continue;
                    }
                    Kept::Broken(reason) => Err(Fault::row(reason)),
                    Kept::Yes => fill(source, row, &carried, builder),
                };
                faults.extend(builder.finish(filled).err());
            }
            let is_unlike = source.known_keys.is_none() && source.source.is_unlike(&record);
            if is_unlike && faults.is_empty() {
                found.unlike += builder.rows_since(&mark);
            }
            if !faults.is_empty() {
                for _ in 0..builder.take_back(mark) {
                    faults.push(Fault::row("is in one record with a bad row"));
                }
                found.add_bad(source, faults, block, self.keep_bad)?;
            }
        }
        if source.source.carries() {
            *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = carried;
        }
        Ok(())
    }

    fn bad_row(&self, block: &dyn RowReader, fault: Fault) -> Result<BadRow> {
        let raw = if self.keep_bad { Some(block.raw()?) } else { None };
        Ok(BadRow { line: block.line(), fault, raw })
    }
}

/// What is found beside good rows.
#[derive(Default)]
struct Found {
    bad: Vec<BadRow>,
    read: u64,
    skipped: BTreeMap<String, u64>,
    unlike: u64,
    ignored: BTreeSet<String>,
}

impl Found {
    /// Adds the bad rows of a record. The record itself is kept once.
    fn add_bad(
        &mut self,
        source: &SourceColumns,
        faults: Vec<Fault>,
        block: &dyn RowReader,
        keep_bad: bool,
    ) -> Result<()> {
        let mut raw = if keep_bad { Some(block.raw()?) } else { None };
        for mut fault in faults {
            if let Some(why) = source.source.without_time.as_ref().filter(|_| fault.is_missing_time)
            {
                fault.reason = format!(
                    "missing: {why}; give one for all such records with --time \
                     2026-01-24T18:00:00Z"
                );
            }
            self.bad.push(BadRow { line: block.line(), fault, raw: raw.take() });
        }
        Ok(())
    }

    fn note_ignored(&mut self, source: &SourceColumns, record: &Json) {
        let Some(keys) = &source.known_keys else { return };
        for name in record.names() {
            if self.ignored.len() < IGNORED_MAX && !is_known(keys, name) {
                self.ignored.insert(name.to_owned());
            }
        }
    }
}

/// Fills the current row.
fn fill(
    source: &SourceColumns,
    row: &Place<'_>,
    carried: &Carried,
    builder: &mut RowBuilder<'_>,
) -> Result<(), Fault> {
    for (at, column) in &source.columns {
        let value = column.rule.value(row, carried);
        let value = value.map_err(|reason| builder.fault(*at, reason))?;
        if value != Value::Null {
            builder.set(*at, &value.as_scalar())?;
        }
    }
    Ok(())
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
