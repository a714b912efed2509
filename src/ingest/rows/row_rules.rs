//! A dataset's rules for single rows: the ratios to fill in, and the warning rules.

use crate::{
    ingest::rows::columns::TypedColumn,
    model::{ColumnType, Dataset, Operand, Relation, WarningRule},
    sources::scalar,
};

/// The rules of a dataset, with columns by index.
#[derive(Debug)]
pub(crate) struct RowRules {
    ratios: Vec<Ratio>,
    warnings: Vec<Comparison>,
}

/// A column that is filled with the quotient of two other columns, in rows without a value for
/// the column.
#[derive(Debug)]
struct Ratio {
    column: usize,
    part: usize,
    whole: usize,
    precision: u8,
    scale: i8,
}

#[derive(Debug)]
struct Comparison {
    left: Side,
    relation: Relation,
    right: Side,
}

/// One side of a comparison: a column and its factor, or a number times its factor. The factors
/// bring both sides to the same scale. `None` when the factor or the number is too large: such a
/// comparison is not worth a warning.
#[derive(Debug)]
enum Side {
    Column(usize, Option<i128>),
    Number(Option<i128>),
}

impl RowRules {
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let ratios = dataset.columns().iter().enumerate().filter_map(|(column, definition)| {
            let (part, whole) = definition.ratio.as_ref()?;
            let ColumnType::Decimal(precision, scale) = definition.kind else { return None };
            let integer = |name: &str| {
                let at = dataset.column_index(name)?;
                (dataset.columns().get(at)?.kind == ColumnType::Integer).then_some(at)
            };
            let (part, whole) = (integer(part)?, integer(whole)?);
            Some(Ratio { column, part, whole, precision, scale })
        });
        let warnings = dataset.warning_rules().iter().map(|rule| Comparison::of(rule, dataset));
        Self { ratios: ratios.collect(), warnings: warnings.collect() }
    }

    /// Fills in the last row's ratios. A ratio that is too large for its column stays NULL: the
    /// row itself is not at fault.
    pub(crate) fn fill_ratios(&self, columns: &mut [TypedColumn]) {
        for ratio in &self.ratios {
            let last = |at: usize| columns.get(at).and_then(TypedColumn::last_number);
            if last(ratio.column).is_some() {
                continue;
            }
            let integer = |at| last(at).and_then(|value| i64::try_from(value).ok());
            if let (Some(part), Some(whole)) = (integer(ratio.part), integer(ratio.whole))
                && let Some(filled) = scalar::ratio(part, whole, ratio.precision, ratio.scale)
                && let Some(column) = columns.get_mut(ratio.column)
            {
                column.set_last(filled);
            }
        }
    }

    /// For each warning rule, whether the rule marks the last row.
    pub(crate) fn warnings(&self, columns: &[TypedColumn]) -> impl Iterator<Item = bool> {
        self.warnings.iter().map(|rule| rule.holds(columns))
    }
}

impl Comparison {
    fn of(rule: &WarningRule, dataset: &Dataset) -> Self {
        let scale = |name: &str| {
            let column = dataset.columns().get(dataset.column_index(name)?)?;
            match column.kind {
                ColumnType::Decimal(_, scale) => u32::try_from(scale).ok(),
                _ => None,
            }
        };
        let left = scale(&rule.left).unwrap_or_default();
        let right = match &rule.right {
            Operand::Column(name) => scale(name).unwrap_or_default(),
            Operand::Number(_) => 0,
        };
        let factor = |own: u32| 10_i128.checked_pow(left.max(right) - own);
        let column = |name: &str, own: u32| {
            Side::Column(dataset.column_index(name).unwrap_or(usize::MAX), factor(own))
        };
        Self {
            left: column(&rule.left, left),
            relation: rule.relation,
            right: match &rule.right {
                Operand::Column(name) => column(name, right),
                Operand::Number(number) => Side::Number(
                    factor(right).and_then(|factor| factor.checked_mul(i128::from(*number))),
                ),
            },
        }
    }

    fn holds(&self, columns: &[TypedColumn]) -> bool {
        match (self.left.value(columns), self.right.value(columns)) {
            (Some(left), Some(right)) => match self.relation {
                Relation::Less => left < right,
                Relation::Greater => left > right,
            },
            _ => false,
        }
    }
}

impl Side {
    fn value(&self, columns: &[TypedColumn]) -> Option<i128> {
        match self {
            Self::Number(number) => *number,
            Self::Column(at, factor) => (*factor)?.checked_mul(columns.get(*at)?.last_number()?),
        }
    }
}
