//! Makes a call's partials from a rollup's columns.
//!
//! ```text
//! avg(tokens) per rollup row  ──▶  state_0: daily.tokens_sum    state_1: daily.tokens_count
//! max(tokens)                 ──▶  no rollup serves: max(tokens) is not stored
//! ```
//!
//! For the raw rows of one rollup row, over an argument `x`:
//!
//! | argument | partial |
//! |---|---|
//! | an expression over dimensions and joined columns | its one value, repeated for each row |
//! | a measured column or expression | the stored state |
//! | `CASE WHEN p THEN x ELSE y END`, `p` over dimensions | `CASE WHEN p THEN` x's `ELSE` y's `END` |
//! | `x * d`, `d` over dimensions and joined columns | x's, times d |
//! | `coalesce(x, 0)` | x's, or 0 |
//! | a cast of `x` that loses nothing | x's, cast |
//!
//! A filter works like a CASE. Sums of doubles are never made this way, because they depend on
//! the order of addition.

use arrow::datatypes::DataType;
use datafusion::{
    common::Column,
    error::Result,
    functions::core::expr_fn::coalesce,
    logical_expr::{
        BinaryExpr, Case, Cast, Expr, ExprSchemable as _, Operator, cast, expr::ScalarFunction,
        lit, when,
    },
};

use crate::{
    model::{Expression, State, StoredState, normal},
    plan::{
        Refusal,
        block::Call,
        derive::{
            Terms,
            attempt::{Attempt, or_refusal},
        },
    },
};

impl Terms<'_> {
    /// The partial of each of the call's states, or the refusal. A DISTINCT call has no partials:
    /// it is computed from its key alone.
    pub(in crate::plan) fn partials(&self, call: &Call) -> Attempt<Vec<Expr>> {
        if call.distinct.is_some() {
            return Ok(Vec::new());
        }
        let filter = call.filter.as_ref().map(|filter| self.map(filter)).transpose()?;
        let mut partials = Vec::new();
        for state in call.function.states(&call.argument_type) {
            let partial = match &call.argument {
                None => self.stored(state, None, call)?,
                Some(argument) => self.partial(state, argument, call)?,
            };
            partials.push(match &filter {
                None => partial,
                Some(filter) => when(filter.clone(), partial).end()?,
            });
        }
        Ok(partials)
    }

    fn partial(&self, state: State, argument: &Expr, call: &Call) -> Attempt<Expr> {
        if let Ok(value) = or_refusal(self.map(argument))? {
            let rows = self.stored(State::Rows, None, call)?;
            let kind = argument.get_type(&self.block.schema)?;
            let repeated = state.repeated(value, rows, &kind)?;
            return repeated.ok_or_else(|| Refusal::NotMergeable(call.text.clone()).into());
        }
        if let Some(expression) = self.measured(argument)? {
            return self.stored(state, Some(expression.text()), call);
        }
        match argument {
            Expr::Column(column) => self.of_column(state, column, call),
            Expr::Case(case) => self.of_case(state, case, call),
            Expr::Cast(Cast { expr, field }) => {
                let from = expr.get_type(&self.block.schema)?;
                let sums = matches!(
                    state,
                    State::Sum | State::WideSum | State::Count | State::Min | State::Max
                );
                if sums && loses_nothing(&from, field.data_type()) {
                    let to = state.partial_type(field.data_type());
                    return Ok(cast(self.partial(state, expr, call)?, to));
                }
                Err(Refusal::Expression(call.text.clone()).into())
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) => {
                let kind = argument.get_type(&self.block.schema)?;
                for (x, factor) in [(left, right), (right, left)] {
                    let of_factor = factor.get_type(&self.block.schema)?;
                    let Ok(factor) = or_refusal(self.map(factor))? else { continue };
                    let Ok(partial) = or_refusal(self.partial(state, x, call))? else { continue };
                    let scaled = state.scaled(partial, factor, (&kind, &of_factor))?;
                    if let Some(scaled) = scaled {
                        return Ok(scaled);
                    }
                }
                Err(Refusal::Expression(call.text.clone()).into())
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "coalesce" => {
                match args.as_slice() {
                    [x, zero] if is_zero(zero) => self.or_zero(state, x, zero, call),
                    _ => Err(Refusal::Expression(call.text.clone()).into()),
                }
            }
            _ => Err(Refusal::Expression(call.text.clone()).into()),
        }
    }

    /// The rollup's measured expression that equals the argument in normal form.
    fn measured(&self, argument: &Expr) -> Result<Option<&Expression>> {
        let expressions = self.rollup.expressions();
        if expressions.is_empty() || matches!(argument, Expr::Column(_)) {
            return Ok(None);
        }
        let argument = normal(argument.clone(), &self.block.schema)?;
        Ok(expressions.iter().find(|expression| *expression.expr() == argument))
    }

    fn of_column(&self, state: State, column: &Column, call: &Call) -> Attempt<Expr> {
        let required = self.block.schema.field_with_unqualified_name(&column.name);
        // A column that can't be NULL has as many values as rows.
        if state == State::Count && required.is_ok_and(|field| !field.is_nullable()) {
            return self.stored(State::Rows, None, call);
        }
        self.stored(state, Some(&column.name), call)
    }

    fn stored(&self, state: State, argument: Option<&str>, call: &Call) -> Attempt<Expr> {
        let stored = StoredState { kind: state.stored(), argument: argument.map(str::to_owned) };
        if !self.rollup.stores(&stored) {
            let call = if state == State::Rows { "count(*)" } else { &call.text };
            return Err(Refusal::NotStored(call.to_owned()).into());
        }
        Ok(state.restored(Expr::Column(Column::from_name(stored.name())), &call.argument_type))
    }

    fn of_case(&self, state: State, case: &Case, call: &Call) -> Attempt<Expr> {
        // The form that DataFusion's simplifier gives `coalesce(x, 0)`.
        if let (None, [(condition, x)], Some(zero)) =
            (&case.expr, case.when_then_expr.as_slice(), &case.else_expr)
            && matches!(condition.as_ref(), Expr::IsNotNull(tested) if tested == x)
            && is_zero(zero)
        {
            return self.or_zero(state, x, zero, call);
        }
        let mut mapped = Case { expr: None, when_then_expr: Vec::new(), else_expr: None };
        if let Some(expr) = &case.expr {
            mapped.expr = Some(Box::new(self.map(expr)?));
        }
        let kind = state.partial_type(&call.argument_type);
        for (condition, then) in &case.when_then_expr {
            let condition = self.map(condition)?;
            let then = cast(self.partial(state, then, call)?, kind.clone());
            mapped.when_then_expr.push((Box::new(condition), Box::new(then)));
        }
        if let Some(otherwise) = &case.else_expr {
            let otherwise = self.partial(state, otherwise, call)?;
            mapped.else_expr = Some(Box::new(cast(otherwise, kind)));
        }
        Ok(Expr::Case(mapped))
    }

    fn or_zero(&self, state: State, x: &Expr, zero: &Expr, call: &Call) -> Attempt<Expr> {
        match state {
            State::Sum | State::WideSum | State::Squares => {
                let partial = self.partial(state, x, call)?;
                let kind = match state {
                    // The type that `stored` gives this state.
                    State::WideSum => state.partial_type(&call.argument_type),
                    _ => state.partial_type(&zero.get_type(&self.block.schema)?),
                };
                let zero = cast(lit(0_i64), kind);
                Ok(coalesce(vec![partial, zero]))
            }
            State::Count => self.stored(State::Rows, None, call),
            _ => Err(Refusal::Expression(call.text.clone()).into()),
        }
    }
}

fn is_zero(expr: &Expr) -> bool {
    let Expr::Literal(value, _) = expr else { return false };
    matches!(value.data_type(), DataType::Int64 | DataType::Decimal128(..))
        && datafusion::common::ScalarValue::new_zero(&value.data_type())
            .is_ok_and(|zero| zero == *value)
}

/// Whether the type `to` can hold every number of the type `from` unchanged.
fn loses_nothing(from: &DataType, to: &DataType) -> bool {
    let digits = |kind: &DataType| match kind {
        DataType::Int64 => Some((19, 0)),
        DataType::Decimal128(precision, scale) => {
            Some((i16::from(*precision) - i16::from(*scale), i16::from(*scale)))
        }
        _ => None,
    };
    match (digits(from), digits(to)) {
        (Some((whole, part)), Some((whole_to, part_to))) => {
            whole <= whole_to && part <= part_to && *to != DataType::Int64
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn an_average_is_made_of_a_sum_and_a_count() {
        let sql = "SELECT org, avg(tokens) FROM calls GROUP BY org";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: calls.org ASC NULLS LAST, avg(calls.tokens) ASC NULLS LAST
          Projection: calls.org, avg(calls.tokens)
            Projection: group_0 AS org, CAST(CAST(state_0 AS Float64) / CAST(state_1 AS Float64) AS Float64) AS avg(calls.tokens)
              Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0, sum(state_1) AS state_1]]
                Union
                  Projection: CAST(daily.org AS Utf8View) AS group_0, CAST(CAST(daily.tokens_sum AS Decimal128(30, 0)) AS Decimal128(30, 0)) AS state_0, CAST(daily.tokens_count AS Int64) AS state_1
                    TableScan: daily
                  Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(state_0 AS Decimal128(30, 0)) AS state_0, CAST(state_1 AS Int64) AS state_1
                    Aggregate: groupBy=[[calls.org AS group_0]], aggr=[[sum(CAST(calls.tokens AS Decimal128(20, 0))) AS state_0, count(calls.tokens) AS state_1]]
                      TableScan: calls
        -- 10 days: 8 from daily, 1 raw (no segment), 1 segment + 1 late leaf raw
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }

    #[test]
    fn a_condition_on_dimensions_inside_of_a_call_chooses_states() {
        let sql = "SELECT sum(CASE WHEN model = 'm' THEN cost ELSE 0 END) FROM calls";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: sum(CASE WHEN calls.model = Utf8("m") THEN calls.cost ELSE Int64(0) END) ASC NULLS LAST
          Projection: sum(CASE WHEN calls.model = Utf8("m") THEN calls.cost ELSE Int64(0) END)
            Projection: narrowed(state_0) AS sum(CASE WHEN calls.model = Utf8("m") THEN calls.cost ELSE Int64(0) END)
              Aggregate: groupBy=[[]], aggr=[[sum(state_0) AS state_0]]
                Union
                  Union
                    Projection: CAST(CASE WHEN daily.model = Utf8View("m") THEN CAST(CAST(CAST(daily.cost_sum AS Decimal256(42, 12)) AS Decimal256(42, 12)) AS Decimal256(42, 12)) ELSE CAST(CAST(Decimal128(0.000000000000,32,12) AS Decimal256(32, 12)) * CAST(daily.calls AS Decimal256(20, 0)) AS Decimal256(42, 12)) END AS Decimal256(42, 12)) AS state_0
                      TableScan: daily
                    Projection: CAST(CASE WHEN hourly.model = Utf8View("m") THEN CAST(CAST(CAST(hourly.cost_sum AS Decimal256(42, 12)) AS Decimal256(42, 12)) AS Decimal256(42, 12)) ELSE CAST(CAST(Decimal128(0.000000000000,32,12) AS Decimal256(32, 12)) * CAST(hourly.calls AS Decimal256(20, 0)) AS Decimal256(42, 12)) END AS Decimal256(42, 12)) AS state_0
                      TableScan: hourly
                  Projection: CAST(state_0 AS Decimal256(42, 12)) AS state_0
                    Aggregate: groupBy=[[]], aggr=[[sum(CAST(CASE WHEN calls.model = Utf8View("m") THEN CAST(calls.cost AS Decimal128(32, 12)) ELSE Decimal128(0.000000000000,32,12) END AS Decimal256(32, 12))) AS state_0]]
                      TableScan: calls
        -- 10 days: 8 from daily, 1 from hourly, 1 raw (no segment)
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }

    #[test]
    fn a_call_that_no_rollup_stores_refuses() {
        let sql = "SELECT org, max(tokens) FROM calls GROUP BY org";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: calls.org ASC NULLS LAST, max(calls.tokens) ASC NULLS LAST
          Projection: calls.org, max(calls.tokens)
            Aggregate: groupBy=[[calls.org]], aggr=[[max(calls.tokens)]]
              TableScan: calls
        -- 10 days: 10 raw (no rollup serves)
        --   not daily: max(tokens) is not stored; add it to measures
        --   not hourly: org is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
