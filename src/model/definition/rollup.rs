//! A rollup's definition: grain, dimensions, measures, filter; and what its segments hold.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::logical_expr::{Expr, SortExpr, ident};

use super::{DATE_COLUMN, Dataset, Expression, Measure};
use crate::{
    base::Grain,
    model::{
        Column, ColumnType,
        algebra::{State, StoredState},
    },
};

/// The bucket column of an hourly segment: the hour's first instant, UTC.
pub(crate) const HOUR_COLUMN: &str = "hour";

/// The bucket column of a 15-minute segment: the quarter's first instant, UTC.
pub(crate) const QUARTER_HOUR_COLUMN: &str = "quarter_hour";

/// Raised when the meaning of stored states changes, so that old segments are not read as new ones.
const STATE_VERSION: &str = "tallybook rollup 1";

/// A rollup's definition, checked against its dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    pub(super) name: String,
    /// The name that its definition gives it.
    pub(super) folder: String,
    pub(super) grain: Grain,
    pub(super) dimensions: Vec<Column>,
    pub(super) measures: Vec<Measure>,
    /// What measures are of that isn't a column.
    pub(super) expressions: Vec<Expression>,
    pub(super) filter: Option<Expression>,
    pub(super) table: Option<String>,
    pub(super) states: Vec<(StoredState, DataType)>,
    pub(super) hash: String,
}

impl Rollup {
    /// Its name. Of an earlier definition's it ends in `@` and the start of that one's hash.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the folder that its segments are in.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Whether it is of an earlier definition: it serves where it still can, and isn't built but
    /// for purged days, where late rows are added to what is left.
    #[must_use]
    pub fn is_previous(&self) -> bool {
        self.name != self.folder
    }

    /// The same, as one of an earlier definition.
    #[must_use]
    pub(super) fn as_previous(&self) -> Self {
        let name = format!("{}@{}", self.folder, self.hash.get(..8).unwrap_or(&self.hash));
        Self { name, table: None, ..self.clone() }
    }

    /// The width of its buckets.
    #[must_use]
    pub const fn grain(&self) -> Grain {
        self.grain
    }

    /// The columns its rows are grouped by, besides time.
    #[must_use]
    pub fn dimensions(&self) -> &[Column] {
        &self.dimensions
    }

    /// Whether it is grouped by that raw column.
    #[must_use]
    pub fn has_dimension(&self, column: &str) -> bool {
        self.dimensions.iter().any(|dimension| dimension.name == column)
    }

    /// What it measures.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// The condition of the rows that it is of, as SQL; none when it is of all.
    #[must_use]
    pub fn filter(&self) -> Option<&str> {
        self.filter.as_ref().map(Expression::text)
    }

    /// The condition of the rows that it is of, over raw columns.
    pub(crate) fn filter_expr(&self) -> Option<&Expr> {
        self.filter.as_ref().map(Expression::expr)
    }

    /// What its measures are of that isn't a column.
    pub(crate) fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// What that state folds, over raw columns, with its type in queries; none for rows.
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

    /// The SQL table it can be read as, if any: date, dimensions, measures by name.
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The mergeable columns of its segments, each once, with their types.
    #[must_use]
    pub fn states(&self) -> &[(StoredState, DataType)] {
        &self.states
    }

    /// Whether its segments store that state.
    #[must_use]
    pub fn stores(&self, state: &StoredState) -> bool {
        self.states.iter().any(|(stored, _)| stored == state)
    }

    /// The definition's hash, 64 bits in hex: of grain, dimensions, filter, states, their types and
    /// their version, not of names that only readers see.
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

    /// The schema of its segments in queries: bucket, dimensions, states.
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

    /// The order of its segments' rows: by dimensions, then bucket, NULLs last.
    #[must_use]
    pub(crate) fn segment_order(&self) -> Vec<SortExpr> {
        let keys = self.dimensions.iter().map(|column| ident(&column.name));
        let keys = keys.chain([ident(self.bucket_column())]);
        keys.map(|key| key.sort(true, false)).collect()
    }

    /// The states that the measures need, each once, in a fixed order.
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

    /// The hash of the canonical form, which is this file's own and not any library's printing.
    pub(super) fn hash_of(
        time: &str,
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

/// The type of a column or an expression.
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
