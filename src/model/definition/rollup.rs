//! The definition of a rollup: grain, dimensions, measures, filter, and its segments' columns.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::{Expr, SortExpr, ident};

use super::{DATE_COLUMN, Dataset, Expression, Measure, Unique};
use crate::{
    base::Grain,
    model::{
        Column, ColumnType,
        algebra::{State, StoredState},
    },
};

/// The bucket column of an hourly segment: the first instant of the hour, UTC.
pub(crate) const HOUR_COLUMN: &str = "hour";

/// The bucket column of a 15-minute segment: the first instant of the quarter hour, UTC.
pub(crate) const QUARTER_HOUR_COLUMN: &str = "quarter_hour";

/// The column of [`Dataset::events`] with the hash of an event's identity.
pub(crate) const EVENT_COLUMN: &str = "event";

/// Part of the definition hash. It changes when the meaning of stored states changes, so that old
/// segments are not read as new ones.
const STATE_VERSION: &str = "tallybook rollup 1";

/// A rollup's definition, checked against its dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    pub(super) name: String,
    /// The rollup's name in its definition, without a hash.
    pub(super) folder: String,
    pub(super) grain: Grain,
    pub(super) dimensions: Vec<Column>,
    pub(super) measures: Vec<Measure>,
    /// The arguments of measures that aren't columns.
    pub(super) expressions: Vec<Expression>,
    pub(super) filter: Option<Expression>,
    pub(super) table: Option<String>,
    pub(super) states: Vec<(StoredState, DataType)>,
    /// The rule by which its rows count, if not all rows of the log do.
    pub(super) unique: Option<Unique>,
    /// Whether the dataset has another such rule now.
    pub(super) counts_otherwise: bool,
    pub(super) hash: String,
}

impl Rollup {
    /// The rollup's name. A rollup from a previous definition is named
    /// `<name>@<first 8 hex digits of its definition hash>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the folder that holds its segments.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Whether the rollup is from a previous definition. Such a rollup serves where its segments
    /// still can. It is built only for purged days: there, late rows are added to the remains.
    #[must_use]
    pub fn is_previous(&self) -> bool {
        self.name != self.folder
    }

    /// The events of a day, by the hash of their identity: see [`Dataset::events`].
    #[must_use]
    pub(super) fn of_events(dataset: &Dataset, unique: &Unique) -> Self {
        let dimension = Column {
            name: EVENT_COLUMN.to_owned(),
            kind: ColumnType::Integer,
            required: true,
            aliases: Vec::new(),
            ratio: None,
        };
        let (grain, dimensions) = (Grain::Day, vec![dimension]);
        let hash = Self::hash_of((&dataset.time, Some(unique)), grain, &dimensions, None, &[]);
        Self {
            name: "events".to_owned(),
            folder: "events".to_owned(),
            grain,
            dimensions,
            measures: Vec::new(),
            expressions: Vec::new(),
            filter: None,
            table: None,
            states: Vec::new(),
            unique: Some(unique.clone()),
            counts_otherwise: false,
            hash,
        }
    }

    /// Whether it is no rollup of the definition, but the events of purged days.
    #[must_use]
    pub(crate) const fn is_of_events(&self) -> bool {
        self.measures.is_empty()
    }

    /// This rollup, as one from a previous definition of a dataset that now has the rule `unique`.
    #[must_use]
    pub(super) fn as_previous(&self, unique: Option<&Unique>) -> Self {
        let name = format!("{}@{}", self.folder, self.hash.get(..8).unwrap_or(&self.hash));
        let counts_otherwise = self.unique.as_ref() != unique;
        Self { name, table: None, counts_otherwise, ..self.clone() }
    }

    /// The rule by which its rows count, if not all rows of the log do.
    #[must_use]
    pub(crate) const fn unique(&self) -> Option<&Unique> {
        self.unique.as_ref()
    }

    /// Whether rows count by another rule now. Then the rollup serves only purged days, whose rows
    /// can't be counted again.
    #[must_use]
    pub(crate) const fn counts_otherwise(&self) -> bool {
        self.counts_otherwise
    }

    /// The width of the time buckets.
    #[must_use]
    pub const fn grain(&self) -> Grain {
        self.grain
    }

    /// The columns that rows are grouped by, besides time.
    #[must_use]
    pub fn dimensions(&self) -> &[Column] {
        &self.dimensions
    }

    /// Whether the raw column is one of the dimensions.
    #[must_use]
    pub fn has_dimension(&self, column: &str) -> bool {
        self.dimensions.iter().any(|dimension| dimension.name == column)
    }

    /// The measures, in the order of the definition.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// The condition that selects the raw rows, as SQL; `None` when the rollup counts all rows.
    #[must_use]
    pub fn filter(&self) -> Option<&str> {
        self.filter.as_ref().map(Expression::text)
    }

    /// The condition that selects the raw rows, as an expression over raw columns.
    pub(crate) fn filter_expr(&self) -> Option<&Expr> {
        self.filter.as_ref().map(Expression::expr)
    }

    /// The arguments of measures that aren't columns.
    pub(crate) fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// The argument of a state, over raw columns, with its type in queries; `None` for the number
    /// of rows, which has no argument.
    pub(crate) fn argument(
        &self,
        dataset: &Dataset,
        state: &StoredState,
    ) -> Option<(Expr, DataType)> {
        let argument = state.argument.as_deref()?;
        let kind = argument_type(dataset, &self.expressions, argument)?;
        let expression = self.expressions.iter().find(|other| other.text() == argument);
        let expr = expression.map_or_else(|| ident(argument), |found| found.expr().clone());
        Some((expr, kind.query_type()))
    }

    /// The name of the SQL table that shows the rollup, if any. Its columns are the time bucket,
    /// the dimensions, and the measures by name.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The state columns of the segments, each once, with their types.
    #[must_use]
    pub fn states(&self) -> &[(StoredState, DataType)] {
        &self.states
    }

    /// Whether the segments store that state.
    #[must_use]
    pub fn stores(&self, state: &StoredState) -> bool {
        self.states.iter().any(|(stored, _)| stored == state)
    }

    /// The definition's hash, 64 bits in hex. It covers the time column, grain, dimensions,
    /// filter, the states with their types, and the version of their meaning. It doesn't cover
    /// names that only readers see.
    #[must_use]
    pub fn definition_hash(&self) -> &str {
        &self.hash
    }

    /// The name of the bucket column.
    #[must_use]
    pub const fn bucket_column(&self) -> &'static str {
        match self.grain {
            Grain::Day => DATE_COLUMN,
            Grain::Hour => HOUR_COLUMN,
            Grain::QuarterHour => QUARTER_HOUR_COLUMN,
        }
    }

    /// The schema of the segments in queries: bucket, dimensions, states.
    #[must_use]
    pub fn segment_schema(&self) -> SchemaRef {
        let bucket = match self.grain {
            Grain::Day => DataType::Date32,
            Grain::Hour | Grain::QuarterHour => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
        };
        let bucket = Field::new(self.bucket_column(), bucket, false);
        let dimensions = self
            .dimensions
            .iter()
            .map(|column| Field::new(&column.name, column.kind.query_type(), !column.required));
        let states = self
            .states
            .iter()
            .map(|(state, kind)| Field::new(state.name(), kind.clone(), state.nullable()));
        Arc::new(Schema::new(
            std::iter::once(bucket).chain(dimensions).chain(states).collect::<Vec<_>>(),
        ))
    }

    /// The order of the rows in segments: by dimensions, then bucket, NULLs last.
    #[must_use]
    pub(crate) fn segment_order(&self) -> Vec<SortExpr> {
        let keys = self.dimensions.iter().map(|column| ident(&column.name));
        let keys = keys.chain([ident(self.bucket_column())]);
        keys.map(|key| key.sort(true, false)).collect()
    }

    /// The states that the measures need, each once, in a fixed order, with their types.
    pub(super) fn states_of(
        dataset: &Dataset,
        measures: &[Measure],
        expressions: &[Expression],
    ) -> Vec<(StoredState, DataType)> {
        let mut states = Vec::new();
        for measure in measures {
            let argument = measure.argument.as_deref();
            let kind = argument.and_then(|name| argument_type(dataset, expressions, name));
            let (kind, kinds) = match kind {
                None => (DataType::Int64, vec![State::Rows]),
                Some(kind) => (kind.query_type(), measure.function.stored_states(kind)),
            };
            for stored in kinds {
                let state = StoredState { kind: stored, argument: measure.argument.clone() };
                let kind = stored.stored_type(&kind);
                if !states.iter().any(|(known, _)| *known == state) {
                    states.push((state, kind));
                }
            }
        }
        states.sort_by(|(a, _), (b, _)| (&a.argument, a.kind).cmp(&(&b.argument, b.kind)));
        states
    }

    /// The hash of the canonical form. This file defines that form. Only the types that
    /// `type_name` doesn't name print as in Arrow.
    pub(super) fn hash_of(
        (time, unique): (&str, Option<&Unique>),
        grain: Grain,
        dimensions: &[Column],
        filter: Option<&Expression>,
        states: &[(StoredState, DataType)],
    ) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut line = |words: &[&str]| {
            for word in words {
                hasher.update(&(word.len() as u64).to_le_bytes());
                hasher.update(word.as_bytes());
            }
            hasher.update(b"\n");
        };
        line(&[STATE_VERSION, time, grain.name()]);
        if let Some(unique) = unique {
            line(&["unique", &unique.text()]);
        }
        for column in dimensions {
            line(&["dimension", &column.name, &column.kind.to_string()]);
        }
        if let Some(filter) = filter {
            line(&["filter", filter.text()]);
        }
        for (state, kind) in states {
            let encoding = state.kind.encoding().map_or_else(|| type_name(kind), str::to_owned);
            line(&["state", &state.name(), &encoding]);
        }
        let mut hex = hasher.finalize().to_hex().to_string();
        hex.truncate(16);
        hex
    }
}

/// The type of the column or expression `name`.
fn argument_type(dataset: &Dataset, known: &[Expression], name: &str) -> Option<ColumnType> {
    let expression = known.iter().find(|other| other.text() == name).map(Expression::kind);
    expression.or_else(|| dataset.column(name).map(|column| column.kind))
}

fn type_name(kind: &DataType) -> String {
    match kind {
        DataType::Int64 => "integer".to_owned(),
        DataType::Utf8View => "text".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Timestamp(_, _) => "timestamp".to_owned(),
        other => format!("{other}"),
    }
}
