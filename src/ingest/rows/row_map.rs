//! How the records of an input become rows of a dataset: by the names of their fields, or by a
//! source.

use crate::{
    base::{Error, Result},
    ingest::rows::field_map::FieldMap,
    model::{ColumnType, Dataset},
    sources::{ColumnRule, Scalar, Source, TimeForm, alike, scalar},
};

/// How records become rows.
#[derive(Clone, Debug)]
pub(crate) struct RowMap {
    /// Names of fields, constants, and how times are written.
    pub(crate) fields: FieldMap,
    /// The source that finds the rows and their values. `None` when the names of fields do.
    pub(crate) source: Option<SourceColumns>,
    /// The columns that a user's map fills, each with its line in that map.
    pub(crate) mapped: Vec<(usize, usize)>,
    /// The name of the user's map in messages.
    pub(crate) map_file: String,
}

/// A source, and the columns of the dataset that it fills.
#[derive(Clone, Debug)]
pub(crate) struct SourceColumns {
    pub(crate) source: Source,
    /// Each column's index, and the rule for its value.
    pub(crate) columns: Vec<(usize, ColumnRule)>,
    /// Keys of records that the source may read. `None` for a source that the program knows, whose
    /// logs have many fields that are no usage.
    pub(crate) known_keys: Option<Vec<String>>,
}

/// What a user says about values beside the input itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenValues {
    /// Columns with the same value in every row, each with that value.
    pub(crate) fixed: Vec<(String, String)>,
    /// The time of records that have none of their own.
    pub(crate) time: Option<String>,
}

impl RowMap {
    /// Maps by the columns' own names.
    ///
    /// # Errors
    /// `Invalid` when a given value is for a column that the dataset doesn't have.
    pub(crate) fn by_names(dataset: &Dataset, given: &GivenValues) -> Result<Self> {
        if given.time.is_some() {
            return Self::of_map(Source::empty(), "", dataset, given);
        }
        let mut fields = FieldMap::of(dataset);
        fix(&mut fields, dataset, given)?;
        Ok(Self { fields, source: None, mapped: Vec::new(), map_file: String::new() })
    }

    /// Maps by a source that the program knows. Columns that the dataset doesn't have are left out.
    ///
    /// # Errors
    /// As [`by_names`](Self::by_names).
    pub(crate) fn of_source(
        source: Source,
        dataset: &Dataset,
        given: &GivenValues,
    ) -> Result<Self> {
        let file = format!("{}.toml", source.name);
        let mut fields = FieldMap::without_fields(source.first_keys());
        let columns = source.columns.iter();
        let columns: Vec<_> = columns
            .filter(|column| !dataset.computes(&column.column))
            .filter_map(|column| Some((dataset.column_index(&column.column)?, column.clone())))
            .collect();
        for (at, column) in &columns {
            fields.read_times((*at, column), dataset, &file)?;
        }
        let columns = with_whole_tags(columns, dataset);
        let source = SourceColumns { source, columns, known_keys: None };
        let (mapped, map_file) = (Vec::new(), String::new());
        Self { fields, source: Some(source), mapped, map_file }.with_given(dataset, given)
    }

    /// Maps by a user's map. Columns that the map doesn't name are mapped by their own names.
    ///
    /// # Errors
    /// `Invalid` when the map names a column that the dataset doesn't have; as
    /// [`by_names`](Self::by_names).
    pub(crate) fn of_map(
        map: Source,
        file: &str,
        dataset: &Dataset,
        given: &GivenValues,
    ) -> Result<Self> {
        let mut named = Vec::new();
        for column in &map.columns {
            named.push((index_of(dataset, column, file)?, column));
        }
        let mapped = named.iter().filter(|(_, column)| column.rule.constant().is_none());
        let mapped = mapped.map(|(at, column)| (*at, column.line)).collect();
        let mut fields = FieldMap::of(dataset);
        if map.only_renames() && given.time.is_none() {
            for (at, column) in &named {
                match (column.rule.field(), column.rule.constant()) {
                    (Some(field), _) => fields.rename(*at, field),
                    (None, Some(value)) => fields.fix(*at, value),
                    (None, None) => {}
                }
                fields.read_times((*at, column), dataset, file)?;
            }
            fix(&mut fields, dataset, given)?;
            return Ok(Self { fields, source: None, mapped, map_file: file.to_owned() });
        }
        let mut columns: Vec<_> =
            named.iter().map(|(at, column)| (*at, (*column).clone())).collect();
        for (at, column) in dataset.columns().iter().enumerate() {
            let is_named = columns.iter().any(|(named, _)| *named == at);
            if !is_named && !dataset.computes(&column.name) {
                columns.push((at, ColumnRule::by_names(&column.name, column.input_names())));
            }
        }
        let mut known_keys = map.first_keys();
        let names = columns.iter().filter(|(at, _)| !named.iter().any(|(named, _)| named == at));
        known_keys.extend(names.flat_map(|(_, column)| column.rule.first_keys()));
        let mut fields = FieldMap::without_fields(known_keys.clone());
        for (at, column) in &named {
            fields.read_times((*at, column), dataset, file)?;
        }
        let columns = with_whole_tags(columns, dataset);
        let source = SourceColumns { source: map, columns, known_keys: Some(known_keys) };
        Self { fields, source: Some(source), mapped, map_file: file.to_owned() }
            .with_given(dataset, given)
    }

    /// The map with the values that the user gave.
    fn with_given(mut self, dataset: &Dataset, given: &GivenValues) -> Result<Self> {
        fix(&mut self.fields, dataset, given)?;
        if let Some(source) = &mut self.source {
            let fixed: Vec<_> = self.fields.constants().iter().map(|(at, _)| *at).collect();
            source.columns.retain(|(at, _)| !fixed.contains(at));
            if let Some(time) = &given.time {
                let of_time = |column: &&mut (usize, ColumnRule)| {
                    Some(column.0) == dataset.column_index(dataset.time_column())
                };
                if let Some((_, column)) = source.columns.iter_mut().find(of_time) {
                    column.rule.set_default(time);
                } else {
                    self.fields.fix(column_index(dataset, dataset.time_column())?, time);
                }
            }
        }
        Ok(self)
    }
}

/// The columns, of which those of tags take objects and lists.
fn with_whole_tags(
    mut columns: Vec<(usize, ColumnRule)>,
    dataset: &Dataset,
) -> Vec<(usize, ColumnRule)> {
    for (at, column) in &mut columns {
        if dataset.columns().get(*at).is_some_and(|column| column.kind == ColumnType::Tags) {
            column.rule.take_whole();
        }
    }
    columns
}

fn fix(fields: &mut FieldMap, dataset: &Dataset, given: &GivenValues) -> Result<()> {
    if let Some(time) = &given.time
        && let Err(reason) = scalar::instant(&Scalar::Text(time), TimeForm::default())
    {
        return Err(Error::invalid(format!("the time {reason}")));
    }
    for (at, (column, _)) in given.fixed.iter().enumerate() {
        if given.fixed.iter().take(at).any(|(other, _)| other == column) {
            return Err(Error::invalid(format!("column `{column}` is given two values")));
        }
    }
    for (column, value) in &given.fixed {
        fields.fix(column_index(dataset, column)?, value);
    }
    Ok(())
}

/// The index of a column of a user's map.
///
/// # Errors
/// `Invalid` when the dataset doesn't have the column.
pub(crate) fn index_of(dataset: &Dataset, column: &ColumnRule, file: &str) -> Result<usize> {
    let found = column_index(dataset, &column.column);
    found.map_err(|error| Error::invalid(format!("{file}:{}: {error}", column.line)))
}

fn column_index(dataset: &Dataset, name: &str) -> Result<usize> {
    if dataset.computes(name) {
        return Err(Error::invalid(format!("column `{name}` is computed, and no input fills it")));
    }
    dataset.column_index(name).ok_or_else(|| {
        let names = dataset.columns().iter().map(|column| column.name.as_str());
        Error::invalid(match alike(name, names) {
            Some(meant) => format!("there is no column `{name}`; did you mean `{meant}`?"),
            None => format!("there is no column `{name}`"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> Result<RowMap> {
        let dataset = Dataset::ai_usage().unwrap();
        RowMap::of_map(Source::parse(text, "m.toml")?, "m.toml", &dataset, &GivenValues::default())
    }

    #[test]
    fn a_map_that_only_renames_needs_no_tree() {
        let renames = map("[map]\ninput_tokens = \"prompt\"\nproject = { value = \"x\" }\n");
        assert!(renames.unwrap().source.is_none());
        let nested = map("[map]\ninput_tokens = \"usage.prompt\"\n");
        assert!(nested.unwrap().source.is_some());
    }

    #[test]
    fn wrong_maps_say_their_line() {
        for (text, start) in [
            ("[map]\nwhat = \"x\"\n", "m.toml:2: there is no column `what`"),
            (
                "[map]\ncosts = \"x\"\n",
                "m.toml:2: there is no column `costs`; did you mean `cost`?",
            ),
            (
                "[map]\ncost = { from = \"x\", unit = \"ms\" }\n",
                "m.toml:2: `cost` is not a timestamp",
            ),
            ("[map]\n\ntimestamp = { from = \"x\", origin = \"now\" }\n", "m.toml:3: origin `now`"),
            (
                "[map]\ncost = { form = \"x\" }\n",
                "m.toml:2: unknown key `form`; did you mean `from`?",
            ),
            ("[map]\ncost = { sum = [\"a\"], from = \"b\" }\n", "m.toml:2: a rule has one of"),
            ("[rows]\nkeep = [{ is = \"x\" }]\n[map]\n", "m.toml:2: a condition has one of"),
            ("[map]\ncost = 5\n", "m.toml:2: a text is expected"),
            ("", "m.toml:1: there is no table `map`"),
        ] {
            let error = map(text).unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
