//! Sums, differences and products of integers that fail on overflow.

use std::sync::{Arc, LazyLock};

use arrow::{
    compute::kernels::numeric::{add, mul, sub},
    datatypes::DataType,
};
use datafusion::{
    common::{
        DFSchema, ScalarValue, plan_err,
        tree_node::{Transformed, TreeNode as _},
    },
    error::Result,
    logical_expr::{
        BinaryExpr, ColumnarValue, Expr, ExprSchemable as _, LogicalPlan, Operator,
        ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, utils::merge_schema,
    },
    optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule},
    physical_expr_common::datum::apply,
};

use crate::model::changed_expressions;

/// Replaces DataFusion's integer arithmetic, which wraps on overflow (apache/datafusion#17539),
/// with checked functions. This rule is the last one, because the other rules know what `+`, `-`
/// and `*` are, but not these functions.
#[derive(Debug)]
pub(crate) struct CheckedArithmetic;

impl OptimizerRule for CheckedArithmetic {
    fn name(&self) -> &'static str {
        "checked_arithmetic"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let has_values = matches!(
            plan,
            LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::Aggregate(_)
                | LogicalPlan::Window(_)
                | LogicalPlan::Sort(_)
                | LogicalPlan::Join(_)
        );
        if !has_values {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&plan.inputs());
        changed_expressions(plan, |expr| expr.transform_up(|part| checked(part, &schema)))
    }
}

fn checked(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::Negative(inner) = &expr
        && let kind = inner.get_type(schema)?
        && kind.is_integer()
    {
        let zero = Expr::Literal(ScalarValue::new_zero(&kind)?, None);
        let difference = BinaryExpr::new(Box::new(zero), Operator::Minus, inner.clone());
        return checked(Expr::BinaryExpr(difference), schema);
    }
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let Some(function) = functions().iter().find(|(of, _)| of == op) else {
        return Ok(Transformed::no(expr));
    };
    let (of_left, of_right) = (left.get_type(schema)?, right.get_type(schema)?);
    if of_left != of_right || !of_left.is_integer() {
        return Ok(Transformed::no(expr));
    }
    let arguments = vec![left.as_ref().clone(), right.as_ref().clone()];
    Ok(Transformed::yes(function.1.call(arguments)))
}

fn functions() -> &'static [(Operator, Arc<ScalarUDF>); 3] {
    static FUNCTIONS: LazyLock<[(Operator, Arc<ScalarUDF>); 3]> = LazyLock::new(|| {
        [Operator::Plus, Operator::Minus, Operator::Multiply].map(|op| {
            let signature = Signature::any(2, Volatility::Immutable);
            (op, Arc::new(ScalarUDF::new_from_impl(Checked { op, signature })))
        })
    });
    &FUNCTIONS
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    op: Operator,
    signature: Signature,
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &'static str {
        match self.op {
            Operator::Plus => "checked_sum",
            Operator::Minus => "checked_difference",
            _ => "checked_product",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        let [kind, _] = given else { return plan_err!("{} takes two numbers", self.name()) };
        Ok(kind.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else {
            return plan_err!("{} takes two numbers", self.name());
        };
        match self.op {
            Operator::Plus => apply(left, right, add),
            Operator::Minus => apply(left, right, sub),
            _ => apply(left, right, mul),
        }
    }
}
