//! Maps the fields of records to columns by name: by the columns' own names, and by a user's map
//! that only renames. Records are then read without a tree in between.

use std::collections::{BTreeSet, HashMap};

use crate::{
    base::{Error, Result},
    model::{ColumnType, Dataset},
    sources::{ColumnRule, TimeForm},
};

/// How many fields of a record are remembered. Further fields are looked up each time.
const REMEMBERED_FIELDS_MAX: usize = 256;

/// How many fields that no column has are remembered by name.
const IGNORED_FIELDS_MAX: usize = 100;

/// Where each column's value comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldMap {
    /// The columns that a field fills, by the field's name.
    fields: HashMap<String, Vec<usize>>,
    constants: Vec<(usize, String)>,
    times: HashMap<usize, TimeForm>,
    /// The columns that take objects and lists.
    tags: Vec<usize>,
    /// The names that a source looks for, if one finds the values.
    keys: Vec<String>,
}

/// Looks up the fields of one record after the other. Most records have the same fields in the
/// same order. Comparing a field's name with the last name at its position costs less than a
/// lookup.
#[derive(Debug)]
pub(crate) struct FieldLookup<'m> {
    map: &'m FieldMap,
    last: Vec<(String, &'m [usize])>,
    /// Names of fields that fill no column.
    ignored: BTreeSet<String>,
}

impl<'m> FieldLookup<'m> {
    pub(crate) const fn new(map: &'m FieldMap) -> Self {
        Self { map, last: Vec::new(), ignored: BTreeSet::new() }
    }

    /// The columns that the record's field number `at` fills, counted from 0. `field` is the
    /// field's name.
    pub(crate) fn targets(&mut self, at: usize, field: &str) -> &'m [usize] {
        if let Some((last, targets)) = self.last.get(at)
            && last == field
        {
            return targets;
        }
        let targets = self.map.targets(field);
        if targets.is_empty() && self.ignored.len() < IGNORED_FIELDS_MAX {
            self.ignored.insert(field.to_owned());
        }
        if let Some(other) = self.last.get_mut(at) {
            *other = (field.to_owned(), targets);
        } else if at == self.last.len() && at < REMEMBERED_FIELDS_MAX {
            self.last.push((field.to_owned(), targets));
        }
        targets
    }

    /// Names of fields that filled no column.
    pub(crate) fn into_ignored(self) -> BTreeSet<String> {
        self.ignored
    }
}

impl FieldMap {
    /// Maps every column by its own names.
    #[must_use]
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let mut fields: HashMap<String, Vec<usize>> = HashMap::new();
        let columns = dataset.columns().iter().enumerate();
        for (at, column) in columns.filter(|(_, column)| !dataset.computes(&column.name)) {
            for name in column.input_names() {
                fields.entry(name).or_default().push(at);
            }
        }
        let columns = dataset.columns().iter().enumerate();
        let tags = columns.filter(|(_, column)| column.kind == ColumnType::Tags);
        Self { fields, tags: tags.map(|(at, _)| at).collect(), ..Self::default() }
    }

    /// Whether a column takes objects and lists.
    pub(crate) fn takes_tags(&self, column: usize) -> bool {
        self.tags.contains(&column)
    }

    /// A map without fields, for rows whose values a source finds. `keys` are the names that the
    /// source looks for.
    pub(crate) fn without_fields(keys: Vec<String>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// A header's name of a field, as the source that looks for it spells the name.
    pub(crate) fn spelt(&self, field: &str) -> String {
        let is_key = |key: &&String| key.as_str() == field;
        let found = self.keys.iter().find(is_key);
        let alike = || self.keys.iter().find(|key| key.eq_ignore_ascii_case(field));
        found.or_else(alike).map_or_else(|| field.to_owned(), Clone::clone)
    }

    /// Takes a column's values from the field of that name alone.
    pub(crate) fn rename(&mut self, column: usize, field: &str) {
        self.forget(column);
        self.fields.entry(field.to_owned()).or_default().push(column);
    }

    /// Gives a column the same value in every row.
    pub(crate) fn fix(&mut self, column: usize, value: &str) {
        self.forget(column);
        self.constants.push((column, value.to_owned()));
    }

    /// Says how the times of a column are written.
    ///
    /// # Errors
    /// `Invalid` when the column is no timestamp.
    pub(crate) fn read_times(
        &mut self,
        (at, column): (usize, &ColumnRule),
        dataset: &Dataset,
        file: &str,
    ) -> Result<()> {
        if column.time == TimeForm::default() {
            return Ok(());
        }
        if dataset.columns().get(at).map(|column| column.kind) != Some(ColumnType::Timestamp) {
            let (line, name) = (column.line, &column.column);
            return Err(Error::invalid(format!("{file}:{line}: `{name}` is not a timestamp")));
        }
        self.times.insert(at, column.time);
        Ok(())
    }

    fn forget(&mut self, column: usize) {
        for targets in self.fields.values_mut() {
            targets.retain(|target| *target != column);
        }
        self.constants.retain(|(constant, _)| *constant != column);
    }

    /// The columns that the field of that name fills.
    pub(crate) fn targets(&self, field: &str) -> &[usize] {
        self.fields.get(field).map(Vec::as_slice).unwrap_or_default()
    }

    /// Like [`targets`](Self::targets), for a header, in which names may differ in case.
    pub(crate) fn targets_of_header(&self, field: &str) -> &[usize] {
        let exact = self.targets(field);
        if !exact.is_empty() {
            return exact;
        }
        let mut alike = self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(field));
        alike.next().map(|(_, targets)| targets.as_slice()).unwrap_or_default()
    }

    /// The names of fields that fill a column.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|(_, columns)| !columns.is_empty()).map(|(name, _)| name.as_str())
    }

    pub(crate) fn constants(&self) -> &[(usize, String)] {
        &self.constants
    }

    pub(crate) fn time_form(&self, column: usize) -> TimeForm {
        self.times.get(&column).copied().unwrap_or_default()
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
            assert_eq!(map.targets(name), [organization]);
        }
        assert!(map.targets("organization").is_empty());
        assert!(map.targets("ORGANIZATION_ID").is_empty());
        assert_eq!(map.targets_of_header("ORGANIZATION_ID"), [organization]);
    }

    #[test]
    fn a_renamed_column_is_found_only_under_its_new_name() {
        let dataset = Dataset::ai_usage().unwrap();
        let mut map = FieldMap::of(&dataset);
        let tokens = dataset.column_index("input_tokens").unwrap();
        map.rename(tokens, "prompt");
        assert!(map.targets("input_tokens").is_empty());
        assert_eq!(map.targets("prompt"), [tokens]);
        map.fix(tokens, "7");
        assert!(map.targets("prompt").is_empty());
        assert_eq!(map.constants().len(), 1);
    }
}
