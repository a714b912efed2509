//! Parses the definition of a dataset. TOML goes in. A checked [`Dataset`] comes out, or an error
//! with the line and the reason.

mod row_rules;

use std::collections::BTreeSet;

use toml::Spanned;

use super::definition_file::{ColumnEntry, Definition, FormatOnly, RollupEntry};
use crate::base::{Error, Result};
use crate::model::{
    Column, ColumnType, DATE_COLUMN, Dataset, Expression, HOUR_COLUMN, Measure,
    QUARTER_HOUR_COLUMN, Rollup, StoredState, column::as_tag,
};

/// The definition of a new root when no other is given.
pub const DEFAULT_DEFINITION: &str = include_str!("../../../../data/ai_usage.toml");

/// The root format that this program writes, and the newest one that it reads.
pub const FORMAT: u32 = 2;

/// The names of the time bucket in segments. No raw column can have one of them.
const BUCKET_COLUMNS: [&str; 3] = [DATE_COLUMN, HOUR_COLUMN, QUARTER_HOUR_COLUMN];

impl Dataset {
    /// Parses and checks a definition. Error messages call it `file`.
    ///
    /// # Errors
    /// `Invalid` when anything is wrong, as `file:line: reason`, or when the format is newer than
    /// [`FORMAT`].
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let at = |offset: usize| {
            let before = text.as_bytes().iter().take(offset);
            format!("{file}:{}", before.filter(|byte| **byte == b'\n').count() + 1)
        };
        let syntax = |error: &toml::de::Error| {
            let place = error.span().map_or_else(|| file.to_owned(), |span| at(span.start));
            Error::invalid(format!("{place}: {}", error.message()))
        };
        // A newer format may have words that this program doesn't know, so the number is checked
        // first.
        let format: FormatOnly = toml::from_str(text).map_err(|error| syntax(&error))?;
        if let Some(newer) = format.format.filter(|format| *format > FORMAT) {
            return Err(Error::invalid(format!(
                "{file}: format {newer} is newer than this program's, {FORMAT}; use a newer tallybook"
            )));
        }
        let definition: Definition = toml::from_str(text).map_err(|error| syntax(&error))?;
        Checker { place: &at }.dataset(&definition)
    }

    /// The default dataset, `ai_usage`.
    ///
    /// # Errors
    /// Never: a test parses the embedded definition.
    pub fn ai_usage() -> Result<Self> {
        Self::parse(DEFAULT_DEFINITION, "ai_usage.toml")
    }

    /// The text to store in a root: the given text, with a line for the format if it has none.
    #[must_use]
    pub fn stored_text(text: &str) -> String {
        let named = toml::from_str::<FormatOnly>(text).is_ok_and(|found| found.format.is_some());
        if named { text.to_owned() } else { format!("format = {FORMAT}\n\n{text}") }
    }
}

/// Checks entries against each other. An error names the line of the wrong entry.
struct Checker<'a> {
    place: &'a dyn Fn(usize) -> String,
}

impl Checker<'_> {
    fn wrong<T>(&self, at: &Spanned<T>, reason: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{}: {reason}", (self.place)(at.span().start)))
    }

    fn dataset(&self, definition: &Definition) -> Result<Dataset> {
        debug_assert!(definition.format.is_none_or(|format| format <= FORMAT));
        let mut dataset = Dataset {
            name: self.word("name", &definition.name)?,
            table: self.word("table", &definition.table)?,
            time: definition.time.get_ref().clone(),
            columns: self.columns(&definition.columns)?,
            sort: Vec::new(),
            warnings: Vec::new(),
            unique: None,
            pricing: None,
            batch: None,
            events: None,
            rollups: Vec::new(),
            previous: Vec::new(),
        };
        self.time(&dataset, &definition.time)?;
        self.ratios(&dataset, &definition.columns)?;
        dataset.sort = definition
            .sort
            .iter()
            .map(|name| self.known(&dataset, name).map(|column| column.name.clone()))
            .collect::<Result<_>>()?;
        dataset.warnings =
            definition.warn.iter().map(|rule| self.odd(&dataset, rule)).collect::<Result<_>>()?;
        dataset.batch = definition
            .batch
            .as_ref()
            .map(|name| self.computed(&dataset, name, ColumnType::Text))
            .transpose()?;
        dataset.pricing =
            definition.prices.as_ref().map(|prices| self.pricing(&dataset, prices)).transpose()?;
        dataset.unique =
            definition.unique.as_ref().map(|unique| self.unique(&dataset, unique)).transpose()?;
        dataset.events = dataset.unique.as_ref().map(|unique| Rollup::of_events(&dataset, unique));
        let mut tables = BTreeSet::from([dataset.table.clone()]);
        for entry in &definition.rollup {
            let rollup = self.rollup(&dataset, entry)?;
            if dataset.rollups.iter().any(|it| it.name == rollup.name) {
                return Err(self.wrong(&entry.name, format!("rollup `{}` is twice", rollup.name)));
            }
            if let (Some(name), Some(place)) = (&rollup.table, &entry.table)
                && !tables.insert(name.clone())
            {
                return Err(self.wrong(place, format!("table `{name}` is twice")));
            }
            dataset.rollups.push(rollup);
        }
        Ok(dataset)
    }

    /// Names become folders and SQL identifiers, so only plain characters are allowed.
    fn word(&self, what: &str, name: &Spanned<String>) -> Result<String> {
        let text = name.get_ref();
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if !plain
            || text.is_empty()
            || text.len() > 64
            || text.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(self.wrong(
                name,
                format!(
                    "{what} `{text}` must be 1 to 64 of a-z, 0-9 and _, not starting with a digit"
                ),
            ));
        }
        Ok(text.clone())
    }

    fn columns(&self, entries: &[ColumnEntry]) -> Result<Vec<Column>> {
        let mut columns: Vec<Column> = Vec::with_capacity(entries.len());
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = self.word("column", &entry.name)?;
            if BUCKET_COLUMNS.contains(&name.as_str()) {
                return Err(self.wrong(&entry.name, format!("column name `{name}` is reserved")));
            }
            let kind: ColumnType = entry
                .r#type
                .get_ref()
                .parse()
                .map_err(|error: Error| self.wrong(&entry.r#type, error))?;
            let column = Column {
                name,
                kind,
                required: entry.required,
                aliases: entry.aliases.clone(),
                ratio: entry.ratio.as_ref().map(|ratio| ratio.get_ref().clone()),
            };
            for name in column.input_names() {
                if !names.insert(name.clone()) {
                    return Err(self.wrong(&entry.name, format!("input name `{name}` is twice")));
                }
            }
            columns.push(column);
        }
        Ok(columns)
    }

    fn known<'d>(&self, dataset: &'d Dataset, name: &Spanned<String>) -> Result<&'d Column> {
        dataset
            .column(name.get_ref())
            .ok_or_else(|| self.wrong(name, format!("there is no column `{}`", name.get_ref())))
    }

    fn time(&self, dataset: &Dataset, name: &Spanned<String>) -> Result<()> {
        let column = self.known(dataset, name)?;
        if column.kind != ColumnType::Timestamp || !column.required {
            return Err(self.wrong(
                name,
                format!("the time column `{}` must be a required timestamp", column.name),
            ));
        }
        Ok(())
    }

    fn ratios(&self, dataset: &Dataset, entries: &[ColumnEntry]) -> Result<()> {
        for (entry, column) in entries.iter().zip(&dataset.columns) {
            let Some(ratio) = &entry.ratio else { continue };
            let integer = |name: &String| {
                dataset.column(name).is_some_and(|column| column.kind == ColumnType::Integer)
            };
            let (part, whole) = ratio.get_ref();
            if !integer(part) || !integer(whole) || !matches!(column.kind, ColumnType::Decimal(..))
            {
                return Err(self.wrong(ratio, "a ratio is a decimal of two integer columns"));
            }
        }
        Ok(())
    }

    fn rollup(&self, dataset: &Dataset, entry: &RollupEntry) -> Result<Rollup> {
        let name = self.word("rollup", &entry.name)?;
        let mut dimensions: Vec<Column> = Vec::new();
        for dimension in &entry.dimensions {
            let column = self.dimension(dataset, dimension)?;
            let groups =
                matches!(column.kind, ColumnType::Text | ColumnType::Integer | ColumnType::Boolean);
            if !groups {
                return Err(self.wrong(
                    dimension,
                    format!(
                        "`{}` is of type {}; a dimension is text, integer, boolean or one of tags, such as \
                         tags['team']",
                        column.name, column.kind
                    ),
                ));
            }
            if dimensions.iter().any(|other| other.name == column.name) {
                return Err(self.wrong(dimension, format!("dimension `{}` is twice", column.name)));
            }
            dimensions.push(column);
        }
        let (measures, expressions) = self.measures(dataset, entry)?;
        let filter = entry.filter.as_ref().map(|text| self.filter(dataset, text)).transpose()?;
        let states = Rollup::states_of(dataset, &measures, &expressions);
        self.distinct_names(entry, &dimensions, &measures, &states)?;
        let grain = entry.grain;
        let of_rows = (dataset.time.as_str(), dataset.unique.as_ref());
        let hash = Rollup::hash_of(of_rows, grain, &dimensions, filter.as_ref(), &states);
        let table = entry.table.as_ref().map(|table| self.word("table", table)).transpose()?;
        let folder = name.clone();
        Ok(Rollup {
            name,
            folder,
            grain,
            dimensions,
            unique: dataset.unique.clone(),
            counts_otherwise: false,
            measures,
            expressions,
            filter,
            table,
            states,
            hash,
        })
    }

    /// A column, or one of its tags as a column of its own.
    fn dimension(&self, dataset: &Dataset, text: &Spanned<String>) -> Result<Column> {
        let Some((tags, _)) = as_tag(text.get_ref()) else {
            return self.known(dataset, text).cloned();
        };
        if dataset.column(tags).is_none_or(|column| column.kind != ColumnType::Tags) {
            return Err(self.wrong(text, format!("there is no column `{tags}` of type tags")));
        }
        Ok(Column {
            name: text.get_ref().clone(),
            kind: ColumnType::Text,
            required: false,
            aliases: Vec::new(),
            ratio: None,
        })
    }

    fn filter(&self, dataset: &Dataset, text: &Spanned<String>) -> Result<Expression> {
        let filter = Expression::parse(text.get_ref(), dataset);
        let filter = filter.map_err(|error| self.wrong(text, format!("filter {error}")))?;
        if filter.kind() != ColumnType::Boolean {
            let (filter, kind) = (filter.text(), filter.kind());
            let reason = format!("filter `{filter}` is of type {kind}, not a condition");
            return Err(self.wrong(text, reason));
        }
        Ok(filter)
    }

    /// The measures, and the arguments of measures that are expressions.
    fn measures(
        &self,
        dataset: &Dataset,
        entry: &RollupEntry,
    ) -> Result<(Vec<Measure>, Vec<Expression>)> {
        let mut measures: Vec<Measure> = Vec::new();
        let mut expressions = Vec::new();
        for text in &entry.measures {
            let measure: Measure =
                text.get_ref().parse().map_err(|error| self.wrong(text, error))?;
            if let Some(argument) = &measure.argument {
                let wrong = |reason| self.wrong(text, format!("measure `{measure}`: {reason}"));
                let kind = if let Some(column) = dataset.column(argument) {
                    column.kind
                } else {
                    let parsed = Expression::parse(argument, dataset);
                    let expression = parsed.map_err(|error| wrong(error.to_string()))?;
                    let kind = expression.kind();
                    expressions.push(expression);
                    kind
                };
                if let Some(reason) = measure.refusal(kind) {
                    return Err(wrong(reason));
                }
            }
            measures.push(measure);
        }
        if measures.is_empty() {
            return Err(self.wrong(&entry.name, "a rollup needs at least one measure"));
        }
        Ok((measures, expressions))
    }

    fn distinct_names(
        &self,
        entry: &RollupEntry,
        dimensions: &[Column],
        measures: &[Measure],
        states: &[(StoredState, arrow::datatypes::DataType)],
    ) -> Result<()> {
        let fixed = || {
            BUCKET_COLUMNS
                .map(str::to_owned)
                .into_iter()
                .chain(dimensions.iter().map(|column| column.name.clone()))
        };
        let stored = fixed().chain(states.iter().map(|(state, _)| state.name()));
        let read = fixed().chain(measures.iter().map(|measure| measure.name.clone()));
        for names in [stored.collect::<Vec<_>>(), read.collect()] {
            let mut seen = BTreeSet::new();
            if let Some(twice) = names.into_iter().find(|name| !seen.insert(name.clone())) {
                return Err(
                    self.wrong(&entry.name, format!("two columns would be named `{twice}`"))
                );
            }
        }
        Ok(())
    }
}
