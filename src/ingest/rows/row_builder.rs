//! One row under way: typed and checked before any of it joins the others.

use arrow::array::RecordBatch;

use crate::{
    base::{Day, Error, Result},
    ingest::rows::{
        columns::TypedColumn,
        field_map::{FieldLookup, FieldMap, Target},
        row_rules::RowRules,
        scalar::Scalar,
    },
    model::Dataset,
};

/// Why a row is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The field, by the name of its column; empty when it is the whole row.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl Fault {
    pub(crate) fn row(reason: impl Into<String>) -> Self {
        Self { field: String::new(), reason: reason.into() }
    }
}

/// Rows that were found good.
#[derive(Debug)]
pub(crate) struct BuiltRows {
    /// In the dataset's file schema.
    pub(crate) rows: RecordBatch,
    /// The day of each.
    pub(crate) days: Vec<Day>,
    /// How many of them each warning rule marks, and at the end how many came without a zone.
    pub(crate) warnings: Vec<u64>,
}

/// Columns under way, and the row at their end that may join the others.
#[derive(Debug)]
pub(crate) struct RowBuilder<'d> {
    dataset: &'d Dataset,
    map: &'d FieldMap,
    fields: FieldLookup<'d>,
    rules: RowRules,
    time: usize,
    required: Vec<usize>,
    /// Rows must be of these days.
    days: std::ops::RangeInclusive<Day>,
    columns: Vec<TypedColumn>,
    /// Whether the row under way has a time without a zone.
    zoneless: bool,
    row_days: Vec<Day>,
    warnings: Vec<u64>,
}

impl<'d> RowBuilder<'d> {
    /// A builder of up to about so many rows, not before 2000 and not more than a day ahead of
    /// `today`.
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
        }
    }

    /// The columns that the record's `at`-th field fills, by its name.
    pub(crate) fn targets(&mut self, at: usize, field: &str) -> &'d [Target] {
        self.fields.targets(at, field)
    }

    /// A fault of that column.
    pub(crate) fn fault(&self, at: usize, reason: impl Into<String>) -> Fault {
        let field = self.dataset.columns().get(at).map(|column| column.name.clone());
        Fault { field: field.unwrap_or_default(), reason: reason.into() }
    }

    /// Gives a column its value.
    pub(crate) fn set(&mut self, at: usize, scalar: &Scalar<'_>) -> Result<(), Fault> {
        let rows = self.row_days.len();
        let Some(column) = self.columns.get_mut(at) else { return Ok(()) };
        if column.len() > rows {
            return Err(self.fault(at, "given twice"));
        }
        match column.push(scalar, self.map.time_form(at)) {
            Ok(zoneless) => {
                self.zoneless |= zoneless;
                Ok(())
            }
            Err(reason) => Err(self.fault(at, reason)),
        }
    }

    /// Adds the row to the others, or says why it is bad; then nothing was added.
    pub(crate) fn finish(&mut self, read: Result<(), Fault>) -> Result<(), Fault> {
        match read.and_then(|()| self.complete()) {
            Ok(day) => {
                self.row_days.push(day);
                for (warnings, count) in self.rules.warnings(&self.columns).zip(&mut self.warnings)
                {
                    *count += u64::from(warnings);
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

    /// Fills in what the record doesn't say, and gives the row's day.
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
            return Err(self.fault(*at, "missing"));
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

    /// The rows that joined.
    pub(crate) fn take(self) -> Result<BuiltRows> {
        let arrays = self.columns.into_iter().map(TypedColumn::finish);
        let rows = arrays
            .collect::<std::result::Result<_, _>>()
            .and_then(|arrays| RecordBatch::try_new(self.dataset.file_schema(), arrays))
            .map_err(|error| Error::internal("row batch").with_source(error))?;
        Ok(BuiltRows { rows, days: self.row_days, warnings: self.warnings })
    }
}

/// What to warn of, and in how many rows it is, from [`BuiltRows::warnings`].
pub(crate) fn warnings_of(dataset: &Dataset, counts: &[u64]) -> Vec<(String, u64)> {
    let rules = dataset.warning_rules().iter().map(ToString::to_string);
    let words = rules.chain(["time without a zone, taken as UTC".to_owned()]);
    words.zip(counts.iter().copied()).filter(|(_, count)| *count > 0).collect()
}
