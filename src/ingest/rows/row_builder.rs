//! Builds rows. Each row is typed and checked before it is added to the other rows.

use std::collections::BTreeSet;

use arrow::array::RecordBatch;

use crate::{
    base::{Day, Error, Result},
    ingest::rows::{
        columns::TypedColumn,
        field_map::{FieldLookup, FieldMap},
        row_rules::RowRules,
    },
    model::Dataset,
    sources::Scalar,
};

/// Why a row is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The name of the column; empty when the whole row is bad.
    pub(crate) field: String,
    /// What is wrong with the field or the row.
    pub(crate) reason: String,
    /// Whether the row has no time.
    pub(crate) is_missing_time: bool,
}

impl Fault {
    pub(crate) fn row(reason: impl Into<String>) -> Self {
        Self { field: String::new(), reason: reason.into(), is_missing_time: false }
    }
}

/// The good rows of a block.
#[derive(Debug)]
pub(crate) struct BuiltRows {
    /// The rows, in the dataset's file schema.
    pub(crate) rows: RecordBatch,
    /// The UTC day of each row.
    pub(crate) days: Vec<Day>,
    /// How many rows each warning rule marks. The last count is of rows with a time in text
    /// without a zone.
    pub(crate) warnings: Vec<u64>,
    /// For each column, whether a record had its field.
    pub(crate) seen: Vec<bool>,
    /// Names of fields that filled no column.
    pub(crate) ignored: BTreeSet<String>,
}

/// Columns that are being built. The current row at their end is part of the result only once it
/// is finished.
#[derive(Debug)]
pub(crate) struct RowBuilder<'d> {
    dataset: &'d Dataset,
    map: &'d FieldMap,
    fields: FieldLookup<'d>,
    rules: RowRules,
    time: usize,
    required: Vec<usize>,
    /// The UTC days that rows may have.
    days: std::ops::RangeInclusive<Day>,
    columns: Vec<TypedColumn>,
    /// Whether the current row has a time without a zone.
    zoneless: bool,
    row_days: Vec<Day>,
    warnings: Vec<u64>,
    seen: Vec<bool>,
}

impl<'d> RowBuilder<'d> {
    /// A row builder for about `rows_max` rows. Rows before the year 2000, or more than a day
    /// ahead of `today`, are bad.
    pub(crate) fn new(
        dataset: &'d Dataset,
        map: &'d FieldMap,
        today: Day,
        rows_max: usize,
    ) -> Self {
        // 2000-01-01.
        let first = Day::from_epoch_days(10_957);
        let columns = dataset.columns().iter();
        let required = columns.clone().enumerate().filter(|(_, column)| column.required);
        Self {
            dataset,
            map,
            fields: FieldLookup::new(map),
            rules: RowRules::of(dataset),
            time: dataset.column_index(dataset.time_column()).unwrap_or_default(),
            required: required.map(|(at, _)| at).collect(),
            days: first..=today.plus(1),
            columns: columns
                .map(|column| TypedColumn::with_capacity(column.kind, rows_max))
                .collect(),
            zoneless: false,
            row_days: Vec::with_capacity(rows_max),
            warnings: vec![0; dataset.warning_rules().len() + 1],
            seen: vec![false; dataset.columns().len()],
        }
    }

    /// The columns that the record's field number `at` fills, counted from 0. `field` is the
    /// field's name.
    pub(crate) fn targets(&mut self, at: usize, field: &str) -> &'d [usize] {
        self.fields.targets(at, field)
    }

    /// A fault of the column with the index `at`.
    pub(crate) fn fault(&self, at: usize, reason: impl Into<String>) -> Fault {
        let field = self.dataset.columns().get(at).map(|column| column.name.clone());
        let (field, reason) = (field.unwrap_or_default(), reason.into());
        Fault { field, reason, is_missing_time: false }
    }

    /// Whether the column with the index `at` takes an object or a list.
    pub(crate) fn takes_tags(&self, at: usize) -> bool {
        self.map.takes_tags(at)
    }

    /// Sets the value of a column in the current row. A fault when the column has a value
    /// already, or when the value does not fit.
    pub(crate) fn set(&mut self, at: usize, scalar: &Scalar<'_>) -> Result<(), Fault> {
        let rows = self.row_days.len();
        let Some(column) = self.columns.get_mut(at) else { return Ok(()) };
        if column.len() > rows {
            return Err(self.fault(at, "given twice"));
        }
        if let Some(seen) = self.seen.get_mut(at) {
            *seen = true;
        }
        match column.push(scalar, self.map.time_form(at)) {
            Ok(zoneless) => {
                self.zoneless |= zoneless;
                Ok(())
            }
            Err(reason) => Err(self.fault(at, reason)),
        }
    }

    /// Adds the current row to the other rows. A bad row is not added, and its fault is returned.
    /// `read` is the result of reading the record.
    pub(crate) fn finish(&mut self, read: Result<(), Fault>) -> Result<(), Fault> {
        match read.and_then(|()| self.complete()) {
            Ok(day) => {
                self.row_days.push(day);
                for (is_marked, count) in self.rules.warnings(&self.columns).zip(&mut self.warnings)
                {
                    *count += u64::from(is_marked);
                }
                if let Some(zoneless) = self.warnings.last_mut() {
                    *zoneless += u64::from(self.zoneless);
                }
                self.zoneless = false;
                Ok(())
            }
            Err(fault) => {
                let rows = self.row_days.len();
                for column in &mut self.columns {
                    column.truncate(rows);
                }
                self.zoneless = false;
                Err(fault)
            }
        }
    }

    /// Where the rows end now, for [`take_back`](Self::take_back).
    pub(crate) fn mark(&self) -> (usize, Vec<u64>) {
        (self.row_days.len(), self.warnings.clone())
    }

    /// How many rows were added since the mark.
    pub(crate) fn rows_since(&self, mark: &(usize, Vec<u64>)) -> u64 {
        self.row_days.len().saturating_sub(mark.0) as u64
    }

    /// Removes the rows that were added since the mark. Gives their number.
    pub(crate) fn take_back(&mut self, (rows, warnings): (usize, Vec<u64>)) -> usize {
        let removed = self.row_days.len().saturating_sub(rows);
        self.row_days.truncate(rows);
        for column in &mut self.columns {
            column.truncate(rows);
        }
        self.warnings = warnings;
        removed
    }

    /// Fills in what the record lacks, checks the row, and gives the row's UTC day.
    fn complete(&mut self) -> Result<Day, Fault> {
        for (at, value) in self.map.constants() {
            self.set(*at, &Scalar::Text(value))?;
        }
        let rows = self.row_days.len();
        for column in &mut self.columns {
            if column.len() == rows {
                column.push_null();
            }
        }
        self.rules.fill_ratios(&mut self.columns);
        let missing =
            |at: &&usize| self.columns.get(**at).is_some_and(TypedColumn::last_is_missing);
        if let Some(at) = self.required.iter().find(missing) {
            let is_missing_time = *at == self.time;
            return Err(Fault { is_missing_time, ..self.fault(*at, "missing") });
        }
        let micros = self.columns.get(self.time).and_then(TypedColumn::last_number);
        let micros = micros.and_then(|micros| i64::try_from(micros).ok());
        let day = micros.map(Day::of_micros).ok_or_else(|| Fault::row("has no time"))?;
        if !self.days.contains(&day) {
            let (first, last) = (self.days.start(), self.days.end());
            let reason = format!("{day} is outside {first} to {last}, a day ahead of now");
            return Err(self.fault(self.time, reason));
        }
        Ok(day)
    }

    /// The rows that were added.
    pub(crate) fn take(self) -> Result<BuiltRows> {
        let arrays = self.columns.into_iter().map(TypedColumn::finish);
        let rows = arrays
            .collect::<std::result::Result<_, _>>()
            .and_then(|arrays| RecordBatch::try_new(self.dataset.file_schema(), arrays))
            .map_err(|error| Error::internal("row batch").with_source(error))?;
        let (days, warnings, seen) = (self.row_days, self.warnings, self.seen);
        Ok(BuiltRows { rows, days, warnings, seen, ignored: self.fields.into_ignored() })
    }
}

/// The warnings, each with its number of rows. `counts` is like [`BuiltRows::warnings`]; counts
/// of 0 are left out.
pub(crate) fn warnings_of(dataset: &Dataset, counts: &[u64]) -> Vec<(String, u64)> {
    let rules = dataset.warning_rules().iter().map(ToString::to_string);
    let words = rules.chain(["time without a zone, taken as UTC".to_owned()]);
    words.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}
