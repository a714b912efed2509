//! A dataset: the raw log's definition, with its rollups.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};

use super::{Pricing, Rollup, Unique, WarningRule};
use crate::{
    base::{Error, Result},
    model::{Column, ColumnType},
};

/// The virtual column of the raw table: the UTC date of the time column. It is read from the
/// folder's name.
pub(crate) const DATE_COLUMN: &str = "date";

/// The definition of a raw log. [`Dataset::parse`](Self::parse) makes it, and checks all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) time: String,
    pub(super) columns: Vec<Column>,
    pub(super) sort: Vec<String>,
    pub(super) warnings: Vec<WarningRule>,
    pub(super) unique: Option<Unique>,
    pub(super) pricing: Option<Pricing>,
    pub(super) batch: Option<String>,
    pub(super) events: Option<Rollup>,
    pub(super) rollups: Vec<Rollup>,
    pub(super) previous: Vec<Rollup>,
}

impl Dataset {
    /// The dataset's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the raw table in SQL.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The name of the timestamp column. It is never NULL, and decides which day's folder a row is
    /// in.
    #[must_use]
    pub fn time_column(&self) -> &str {
        &self.time
    }

    /// The columns of the raw log, in file order, without the virtual `date`.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that name, if there is one.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The index of the column in [`columns`](Self::columns).
    #[must_use]
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The columns that a file's rows are sorted by.
    #[must_use]
    pub fn sort(&self) -> &[String] {
        &self.sort
    }

    /// The rules that mark a row as odd. An odd row is stored all the same, with a warning.
    #[must_use]
    pub fn warning_rules(&self) -> &[WarningRule] {
        &self.warnings
    }

    /// The rule for events that the log holds more than once. `None` when every row counts.
    #[must_use]
    pub const fn unique(&self) -> Option<&Unique> {
        self.unique.as_ref()
    }

    /// The columns whose values are computed from a price table, if there are any.
    #[must_use]
    pub const fn pricing(&self) -> Option<&Pricing> {
        self.pricing.as_ref()
    }

    /// The column that holds the id of each row's batch, if there is one.
    #[must_use]
    pub fn batch_column(&self) -> Option<&str> {
        self.batch.as_deref()
    }

    /// Whether the column is computed. Then no input fills it.
    #[must_use]
    pub(crate) fn computes(&self, column: &str) -> bool {
        self.batch.as_deref() == Some(column)
            || self.pricing.as_ref().is_some_and(|pricing| pricing.computes(column))
    }

    /// The events of a day, in the form of a rollup: one row for each event, by the hash of its
    /// identity. It remains of purged days, so that a later copy of a purged event doesn't count.
    /// No query reads it. `None` when every row counts.
    #[must_use]
    pub(crate) const fn events(&self) -> Option<&Rollup> {
        self.events.as_ref()
    }

    /// The rollups, in the order of the definition.
    #[must_use]
    pub fn rollups(&self) -> &[Rollup] {
        &self.rollups
    }

    /// The rollups, then those from previous definitions, whose segments may still serve queries.
    pub fn all_rollups(&self) -> impl Iterator<Item = &Rollup> {
        self.rollups.iter().chain(&self.previous)
    }

    /// This dataset, with the rollups of previous definitions that it doesn't have itself.
    #[must_use]
    pub(crate) fn with_previous(mut self, definitions: &[Self]) -> Self {
        for rollup in definitions.iter().flat_map(|definition| &definition.rollups) {
            let same = |other: &Rollup| other.folder == rollup.folder && other.hash == rollup.hash;
            if !self.all_rollups().any(same) {
                self.previous.push(rollup.as_previous(self.unique.as_ref()));
            }
        }
        self
    }

    /// The first thing in the rows of `before` that this dataset can't hold: their table and time
    /// column, a column that is missing here or has another type, or rows without a column that is
    /// required only here. `None` when this dataset can hold all rows of `before`.
    #[must_use]
    pub(crate) fn loses_of(&self, before: &Self) -> Option<String> {
        if (&self.table, &self.time) != (&before.table, &before.time) {
            return Some(format!("table `{}` with time `{}`", before.table, before.time));
        }
        let lacking = before
            .columns
            .iter()
            .find(|column| self.column(&column.name).is_none_or(|now| now.kind != column.kind));
        let new = self.columns.iter().find(|column| {
            let is_new = before.column(&column.name).is_none_or(|was| !was.required);
            column.required && is_new
        });
        lacking
            .map(|column| format!("column `{}`, a {}", column.name, column.kind))
            .or_else(|| new.map(|column| format!("rows without `{}`", column.name)))
    }

    /// The rollup of that name, in the current definition.
    ///
    /// # Errors
    /// `NotFound` when there is none. The message lists the names.
    pub fn rollup(&self, name: &str) -> Result<&Rollup> {
        self.rollups.iter().find(|rollup| rollup.name() == name).ok_or_else(|| {
            let names: Vec<_> = self.rollups.iter().map(Rollup::name).collect();
            Error::not_found(format!("no rollup `{name}`; there are: {}", names.join(", ")))
        })
    }

    /// The schema of raw files.
    #[must_use]
    pub fn file_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields(ColumnType::file_type)))
    }

    /// Rows in the types of files. `places` are the indexes of their columns in
    /// [`columns`](Self::columns); what `values` has beyond them is left out.
    ///
    /// # Errors
    /// Arrow's error when there is no such column, or when a column can't be cast.
    pub(crate) fn in_file_types(
        &self,
        places: &[usize],
        values: &[ArrayRef],
    ) -> Result<RecordBatch, ArrowError> {
        let schema = Arc::new(self.file_schema().project(places)?);
        let typed = schema.fields().iter().zip(values);
        let typed = typed.map(|(field, values)| cast(values, field.data_type()));
        RecordBatch::try_new(Arc::clone(&schema), typed.collect::<Result<_, _>>()?)
    }

    /// The columns of the raw table in queries, without the virtual `date`.
    #[must_use]
    pub fn query_file_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(self.fields(ColumnType::query_type)))
    }

    /// The schema of the raw table in queries: the columns, then `date`.
    #[must_use]
    pub fn table_schema(&self) -> SchemaRef {
        let mut fields = self.fields(ColumnType::query_type);
        fields.push(Self::date_field());
        Arc::new(Schema::new(fields))
    }

    /// The virtual `date` column.
    #[must_use]
    pub fn date_field() -> Field {
        Field::new(DATE_COLUMN, DataType::Date32, false)
    }

    fn fields(&self, of: impl Fn(ColumnType) -> DataType) -> Vec<Field> {
        self.columns
            .iter()
            .map(|column| Field::new(&column.name, of(column.kind), !column.required))
            .collect()
    }
}
