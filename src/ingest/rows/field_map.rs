//! Maps input fields to columns: by the columns' own names, and by a user's `--map`.
//!
//! ```toml
//! [map]
//! input_tokens = "usage.prompt_tokens"            # a field, or a path into nested objects
//! timestamp = { from = "t", unit = "ms", origin = "2024-06-21T00:00:00Z" }
//! organization_id = { value = "acme" }            # the same value for every row
//! ```

use std::collections::{BTreeMap, HashMap};

use chrono::DateTime;
use serde::Deserialize;
use toml::Spanned;

use crate::{
    base::{Error, Result},
    ingest::rows::scalar::TimeForm,
    model::{ColumnType, Dataset},
};

/// How many fields of a record are remembered. Further fields are looked up each time.
const REMEMBERED_FIELDS_MAX: usize = 256;

/// Where each column's value comes from.
#[derive(Clone, Debug)]
pub(crate) struct FieldMap {
    /// The targets, by the name of the field or of the first object on the path to it.
    fields: HashMap<String, Vec<Target>>,
    constants: Vec<(usize, String)>,
    times: HashMap<usize, TimeForm>,
}

/// A column, and the path from the input field down to the column's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) column: usize,
    pub(crate) path: Vec<String>,
}

/// Looks up the fields of one record after the other. Most records have the same fields in the
/// same order. Comparing a field's name with the last name at its position costs less than a
/// lookup.
#[derive(Debug)]
pub(crate) struct FieldLookup<'m> {
    map: &'m FieldMap,
    last: Vec<(String, &'m [Target])>,
}

impl<'m> FieldLookup<'m> {
    pub(crate) const fn new(map: &'m FieldMap) -> Self {
        Self { map, last: Vec::new() }
    }

    /// The columns that the record's field number `at` fills, counted from 0. `field` is the
    /// field's name.
    pub(crate) fn targets(&mut self, at: usize, field: &str) -> &'m [Target] {
        match self.last.get_mut(at) {
            Some((last, targets)) if last == field => targets,
            Some(other) => {
                let targets = self.map.targets(field);
                *other = (field.to_owned(), targets);
                targets
            }
            None => {
                let targets = self.map.targets(field);
                if at == self.last.len() && at < REMEMBERED_FIELDS_MAX {
                    self.last.push((field.to_owned(), targets));
                }
                targets
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MapFile {
    map: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Field(String),
    Constant(Constant),
    Time(Time),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Constant {
    value: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    from: String,
    unit: Option<Unit>,
    origin: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    S,
    Ms,
    Us,
}

impl FieldMap {
    /// Maps every column by its own names.
    #[must_use]
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let mut fields: HashMap<String, Vec<Target>> = HashMap::new();
        for (at, column) in dataset.columns().iter().enumerate() {
            for name in column.input_names() {
                fields.entry(name).or_default().push(Target { column: at, path: vec![] });
            }
        }
        Self { fields, constants: vec![], times: HashMap::new() }
    }

    /// Reads a map file. Columns that the file names are mapped as the file says, and all other
    /// columns by their own names.
    ///
    /// # Errors
    /// `Invalid` when the map file is wrong; the message is `file:line: reason`.
    pub(crate) fn parse(text: &str, file: &str, dataset: &Dataset) -> Result<Self> {
        let line = |offset: usize| {
            text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
        };
        let parsed: MapFile = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line(span.start));
            Error::invalid(format!("{file}:{line}: {}", error.message()))
        })?;
        let mut map = Self::of(dataset);
        for (column, entry) in parsed.map {
            let wrong = |reason: String| {
                Error::invalid(format!("{file}:{}: {reason}", line(column.span().start)))
            };
            let name = column.get_ref();
            let at = dataset
                .column_index(name)
                .ok_or_else(|| wrong(format!("there is no column `{name}`")))?;
            map.forget(at);
            match entry {
                Entry::Field(field) => map.add(&field, at),
                Entry::Constant(Constant { value }) => map.constants.push((at, value)),
                Entry::Time(time) => {
                    let kind = dataset.columns().get(at).map(|column| column.kind);
                    if kind != Some(ColumnType::Timestamp) {
                        return Err(wrong(format!("`{name}` is not a timestamp")));
                    }
                    map.times.insert(at, time.form().map_err(wrong)?);
                    map.add(&time.from, at);
                }
            }
        }
        Ok(map)
    }

    fn forget(&mut self, column: usize) {
        for targets in self.fields.values_mut() {
            targets.retain(|target| target.column != column);
        }
    }

    /// Maps a field to a column. A name with dots stands for the field with that very name, or
    /// for a path: whichever the input has.
    fn add(&mut self, field: &str, column: usize) {
        self.fields.entry(field.to_owned()).or_default().push(Target { column, path: vec![] });
        let mut path = field.split('.').map(str::to_owned);
        if let Some(first) = path.next() {
            let path: Vec<_> = path.collect();
            if !path.is_empty() {
                self.fields.entry(first).or_default().push(Target { column, path });
            }
        }
    }

    pub(crate) fn targets(&self, field: &str) -> &[Target] {
        self.fields.get(field).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn constants(&self) -> &[(usize, String)] {
        &self.constants
    }

    pub(crate) fn time_form(&self, column: usize) -> TimeForm {
        self.times.get(&column).copied().unwrap_or_default()
    }
}

impl Time {
    fn form(&self) -> Result<TimeForm, String> {
        let origin = match &self.origin {
            None => 0,
            Some(origin) => DateTime::parse_from_rfc3339(origin)
                .map_err(|_| format!("origin `{origin}` is not RFC 3339"))?
                .timestamp_micros(),
        };
        let unit_micros = self.unit.map(|unit| match unit {
            Unit::S => 1_000_000,
            Unit::Ms => 1_000,
            Unit::Us => 1,
        });
        Ok(TimeForm { unit_micros, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours_and_in_camel_case() {
        let dataset = Dataset::ai_usage().unwrap();
        let map = FieldMap::of(&dataset);
        let organization = dataset.column_index("organization_id").unwrap();
        for name in ["organization_id", "organizationId"] {
            assert_eq!(map.targets(name), [Target { column: organization, path: vec![] }]);
        }
        assert!(map.targets("organization").is_empty());
    }

    #[test]
    fn a_mapped_column_is_found_only_where_the_map_says() {
        let dataset = Dataset::ai_usage().unwrap();
        let text =
            "[map]\ninput_tokens = \"usage.prompt\"\norganization_id = { value = \"acme\" }\n";
        let map = FieldMap::parse(text, "map.toml", &dataset).unwrap();
        assert!(map.targets("input_tokens").is_empty());
        assert_eq!(map.targets("usage")[0].path, ["prompt"]);
        assert_eq!(map.targets("usage.prompt").len(), 1);
        assert_eq!(map.constants().len(), 1);
    }

    #[test]
    fn wrong_maps_say_their_line() {
        let dataset = Dataset::ai_usage().unwrap();
        for (text, line) in [
            ("[map]\nwhat = \"x\"\n", "m.toml:2: there is no column `what`"),
            (
                "[map]\ncost = { from = \"x\", unit = \"ms\" }\n",
                "m.toml:2: `cost` is not a timestamp",
            ),
            ("[map]\n\ntimestamp = { from = \"x\", origin = \"now\" }\n", "m.toml:3: origin `now`"),
        ] {
            let error = FieldMap::parse(text, "m.toml", &dataset).unwrap_err().to_string();
            assert!(error.starts_with(line), "{error}");
        }
    }
}
