//! What an append tells about its inputs beside their rows.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;

use crate::{
    ingest::rows::{row_builder::warnings_of, row_map::RowMap, validator::ValidatedBlock},
    model::Dataset,
    sources::alike,
};

/// How many rows are shown of an input.
const FIRST_ROWS: usize = 5;

/// What was read as one kind of log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRead {
    /// The name of the source.
    pub name: String,
    /// Number of inputs.
    pub inputs: u64,
    /// Number of records in them.
    pub records: u64,
}

/// Counts of all blocks that were read.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Number of records.
    pub(crate) records: u64,
    /// The first rows, at most [`FIRST_ROWS`].
    pub(crate) first_rows: Vec<RecordBatch>,
    /// The number of inputs and of records, by source.
    sources: BTreeMap<String, (u64, u64)>,
    skipped: BTreeMap<String, u64>,
    ignored: BTreeSet<String>,
    /// As in [`ValidatedBlock`].
    unlike: u64,
    /// As in [`ValidatedBlock`].
    columns: Vec<bool>,
    /// As in [`ValidatedBlock`].
    warnings: Vec<u64>,
    /// Names of inputs whose last record has no line end.
    unended: Vec<String>,
}

impl Seen {
    /// Counts an input that was read as that source. `before` is the number of records before it.
    pub(crate) fn source(&mut self, name: Option<&str>, before: u64) {
        let Some(name) = name else { return };
        let (inputs, records) = self.sources.entry(name.to_owned()).or_default();
        *inputs += 1;
        *records += self.records - before;
    }

    /// Remembers fields of a header that nothing reads.
    pub(crate) fn ignore(&mut self, fields: Vec<String>) {
        self.ignored.extend(fields);
    }

    /// Counts a block of the input of that name.
    pub(crate) fn block(&mut self, name: &str, block: &ValidatedBlock) {
        self.records += block.read;
        self.warnings.resize(block.warnings.len(), 0);
        for (sum, count) in self.warnings.iter_mut().zip(&block.warnings) {
            *sum += count;
        }
        self.columns.resize(block.seen.len(), false);
        for (any, seen) in self.columns.iter_mut().zip(&block.seen) {
            *any |= seen;
        }
        for (because, rows) in &block.skipped {
            *self.skipped.entry(because.clone()).or_default() += rows;
        }
        for (_, rows) in &block.rows {
            let room =
                FIRST_ROWS - self.first_rows.iter().map(RecordBatch::num_rows).sum::<usize>();
            if room > 0 {
                self.first_rows.push(rows.slice(0, room.min(rows.num_rows())));
            }
        }
        self.unlike += block.unlike;
        self.ignored.extend(block.ignored.iter().cloned());
        if block.lacks_line_end {
            self.unended.push(name.to_owned());
        }
    }

    pub(crate) fn sources(&self) -> Vec<SourceRead> {
        let read = self.sources.iter();
        let read = read.map(|(name, (inputs, records))| SourceRead {
            name: name.clone(),
            inputs: *inputs,
            records: *records,
        });
        read.collect()
    }

    pub(crate) fn skipped(&self) -> Vec<(String, u64)> {
        self.skipped.clone().into_iter().collect()
    }

    /// The fields that nothing reads, each with the column that may be meant.
    pub(crate) fn ignored(&self, dataset: &Dataset) -> Vec<(String, Option<String>)> {
        let meant = |field: &String| {
            let unfilled =
                dataset.columns().iter().zip(self.columns.iter().chain([false].iter().cycle()));
            let names = unfilled
                .filter(|(column, seen)| !**seen && !dataset.computes(&column.name))
                .map(|(column, _)| column.name.as_str());
            let mut computed =
                dataset.columns().iter().filter(|column| dataset.computes(&column.name));
            let is_computed =
                computed.any(|column| column.input_names().any(|name| name == *field));
            let meant = if is_computed { None } else { alike(field, names) };
            (field.clone(), meant.map(str::to_owned))
        };
        self.ignored.iter().map(meant).collect()
    }

    /// The warnings about accepted rows, each with its number of rows. `maps` are the maps of the
    /// inputs.
    pub(crate) fn warnings(&self, dataset: &Dataset, maps: &[&RowMap]) -> Vec<(String, u64)> {
        let mut warnings = warnings_of(dataset, &self.warnings);
        for name in &self.unended {
            warnings.push((format!("no line end, the last of {name}: the file may be cut"), 1));
        }
        if self.unlike > 0 {
            let reason = "nothing that shows this kind of log: is the source the right one?";
            warnings.push((reason.to_owned(), self.unlike));
        }
        let mapped: BTreeSet<_> = maps.iter().flat_map(|map| &map.mapped).collect();
        for (column, line) in mapped {
            let file = maps.first().map_or("", |map| map.map_file.as_str());
            let is_empty = self.records > 0 && !self.columns.get(*column).copied().unwrap_or(false);
            if let Some(column) = dataset.columns().get(*column).filter(|_| is_empty) {
                let reason = format!("no value for `{}`, as {file}:{line} maps it", column.name);
                warnings.push((reason, self.records));
            }
        }
        warnings
    }
}
