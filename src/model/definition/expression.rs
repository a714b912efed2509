//! Expressions in definitions: arguments of measures that aren't just columns, and filters.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        DFSchema,
        tree_node::{Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion},
    },
    error::Result as DataFusionResult,
    execution::registry::FunctionRegistry as _,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable as _, Operator, Volatility, simplify::SimplifyContext,
    },
    optimizer::simplify_expressions::ExprSimplifier,
    prelude::{SessionConfig, SessionContext},
};

use super::Dataset;
use crate::{
    base::{Error, Result},
    model::{
        ColumnType,
        algebra::{exact_operands, tag::TagPlanner},
        column::is_word,
    },
};

/// A value that is computed from the columns of one raw row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expression {
    text: String,
    expr: Expr,
    kind: ColumnType,
}

impl Expression {
    /// Parses SQL over the dataset's columns.
    ///
    /// # Errors
    /// `Invalid` when the text isn't an expression over the columns, names no column, names the
    /// time column, depends on more than its row, or can change with time; and when no column can
    /// have its type.
    pub(super) fn parse(text: &str, dataset: &Dataset) -> Result<Self> {
        let text = text.trim();
        if is_word(text) && dataset.column(text).is_none() {
            return Err(Error::invalid(format!("there is no column `{text}`")));
        }
        let wrong = |reason: &str| Error::invalid(format!("`{text}` {reason}"));
        let refused = |error: datafusion::error::DataFusionError| {
            wrong(&format!("is not an expression over the columns: {error}"))
        };
        let schema =
            DFSchema::try_from(dataset.query_file_schema().as_ref().clone()).map_err(refused)?;
        let mut config = SessionConfig::new();
        config.options_mut().sql_parser.parse_float_as_decimal = true;
        let mut parser = SessionContext::new_with_config(config);
        parser.register_expr_planner(Arc::new(TagPlanner)).map_err(refused)?;
        let expr = parser.parse_sql_expr(text, &schema).map_err(refused)?;
        let expr = expr.transform_up(|part| Ok(exact_operands(part, &schema)));
        let expr = expr.data().map_err(refused)?;
        let simplifier = ExprSimplifier::new(SimplifyContext::default());
        let expr = simplifier.coerce(expr, &schema).map_err(refused)?;
        let expr = normal(expr, &schema).map_err(refused)?;
        let mut of_its_row = true;
        expr.apply(|node| {
            of_its_row &= match node {
                Expr::ScalarFunction(call) => {
                    call.func.signature().volatility == Volatility::Immutable
                }
                Expr::AggregateFunction(_)
                | Expr::WindowFunction(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::ScalarSubquery(_)
                | Expr::Placeholder(_)
                | Expr::ScalarVariable(..) => false,
                _ => true,
            };
            Ok(TreeNodeRecursion::Continue)
        })
        .map_err(refused)?;
        if !of_its_row {
            return Err(wrong("must say the same of a row at any time, and of that row alone"));
        }
        let columns = expr.column_refs();
        if columns.is_empty() {
            return Err(wrong("names no column"));
        }
        if columns.iter().any(|column| column.name == dataset.time_column()) {
            return Err(wrong("is about time, which is the grain's matter"));
        }
        let kind = expr.get_type(&schema).map_err(refused)?;
        let kind = column_type(&kind).ok_or_else(|| {
            wrong(&format!(
                "is of type {kind}; cast it to bigint, decimal, text, double or boolean"
            ))
        })?;
        Ok(Self { text: text.to_owned(), expr, kind })
    }

    /// The text, as the definition has it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The expression over raw columns, in its [`normal`] form.
    pub(crate) const fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The type of the value.
    pub(crate) const fn kind(&self) -> ColumnType {
        self.kind
    }
}

/// The normal form of an expression: simplified, and with the operands of commutative operators in
/// one order. Expressions that differ only in how they were written get the same form. The types
/// of `expr` must already be coerced.
pub(crate) fn normal(expr: Expr, schema: &DFSchema) -> DataFusionResult<Expr> {
    let context = SimplifyContext::builder().with_schema(Arc::new(schema.clone())).build();
    let expr = ExprSimplifier::new(context).simplify(expr)?;
    let ordered = expr.transform_up(|node| match node {
        Expr::BinaryExpr(BinaryExpr { left, op, right })
            if commutes(op)
                && !matches!(*right, Expr::Literal(..))
                && left.to_string() > right.to_string() =>
        {
            Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: right, op, right: left })))
        }
        node => Ok(Transformed::no(node)),
    });
    Ok(ordered?.data)
}

const fn commutes(op: Operator) -> bool {
    matches!(
        op,
        Operator::Plus
            | Operator::Multiply
            | Operator::Eq
            | Operator::NotEq
            | Operator::And
            | Operator::Or
            | Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::BitwiseXor
    )
}

fn column_type(kind: &DataType) -> Option<ColumnType> {
    Some(match kind {
        DataType::Int64 => ColumnType::Integer,
        DataType::Decimal128(precision, scale) => ColumnType::Decimal(*precision, *scale),
        DataType::Utf8 | DataType::Utf8View => ColumnType::Text,
        DataType::Boolean => ColumnType::Boolean,
        DataType::Float64 => ColumnType::Float,
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            ColumnType::Timestamp
        }
        _ => return None,
    })
}
