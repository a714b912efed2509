//! Builds the plan of a covered block, from DataFusion's own nodes alone.
//!
//! ```text
//! Projection: finalize, cast, the original names
//!   Aggregate: merge
//!     Union
//!       Projection: states          ← segments
//!         Filter ← TableScan, joined
//!       Projection                  ← raw leaves: whole, late, edges
//!         Aggregate: partial
//!           Filter ← TableScan, joined
//! ```
//!
//! The branches of the union hold states, never final values: only the projection at the top
//! finalizes. With nothing to read, an empty relation is below the aggregate, so that an
//! aggregate without GROUP BY still yields its row.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::{
    common::{
        Column, DFSchema, internal_err,
        tree_node::{Transformed, TransformedResult as _, TreeNode as _},
    },
    error::Result,
    logical_expr::{
        Aggregate, EmptyRelation, Expr, ExprSchemable as _, Join, JoinConstraint, LogicalPlan,
        LogicalPlanBuilder, TableSource, cast,
        utils::{conjunction, grouping_set_to_exprlist},
    },
};

use crate::{
    base::Grain,
    model::{Dataset, Function, Leaf, Rollup, SegmentFile, narrowed},
    plan::{
        Cover, Refusal,
        block::{Block, Call, Joined, is_joined, needs_join},
        cover::branches::{Branch, leaves_of_days, raw_branches, segment_branches},
        derive::{Derivation, attempt::Attempt, within},
        one_answer::grouping_sets::mapped,
    },
};

/// Makes tables over given files. The caller implements it, because this layer can't read files.
pub(crate) trait FileSources {
    /// The raw table with the rows of these leaves that count. `of_days` are all leaves that may
    /// hold a copy of an event in `leaves`.
    fn raw(&self, leaves: &[Arc<Leaf>], of_days: &[Arc<Leaf>]) -> Arc<dyn TableSource>;
    /// A rollup's table with the rows of these segments only.
    fn segments(&self, rollup: &Rollup, segments: &[Arc<SegmentFile>]) -> Arc<dyn TableSource>;
}

/// A block with everything that its plan is built from.
pub(in crate::plan) struct Splice<'a> {
    pub(in crate::plan) dataset: &'a Dataset,
    pub(in crate::plan) sources: &'a dyn FileSources,
    pub(in crate::plan) aggregate: &'a Aggregate,
    pub(in crate::plan) block: &'a Block,
    pub(in crate::plan) derivations: &'a [(&'a Rollup, Derivation)],
    pub(in crate::plan) cover: &'a Cover,
}

impl Splice<'_> {
    /// The plan, or the refusal when it can't keep the aggregate's schema.
    pub(in crate::plan) fn plan(&self) -> Attempt<LogicalPlan> {
        let mut branches = Vec::new();
        for (rollup, derivation) in self.derivations {
            for branch in segment_branches(self.cover, rollup) {
                branches.push(self.segment_rows(rollup, derivation, &branch)?);
            }
        }
        for branch in raw_branches(self.cover) {
            branches.push(self.raw_partials(&branch)?);
        }
        let plan = self.merge(self.unite(branches)?)?;
        self.same_schema(&plan).map_or(Ok(plan), |refusal| Err(refusal.into()))
    }

    fn segment_rows(
        &self,
        rollup: &Rollup,
        derivation: &Derivation,
        branch: &Branch<Arc<SegmentFile>>,
    ) -> Result<LogicalPlan> {
        let source = self.sources.segments(rollup, &branch.files);
        let mut conjuncts = derivation.conjuncts.clone();
        let bucket = Expr::Column(Column::from_name(rollup.bucket_column()));
        let first_instant = match rollup.grain() {
            Grain::Day => {
                cast(bucket, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
            }
            Grain::Hour | Grain::QuarterHour => bucket,
        };
        conjuncts.extend(branch.within.as_ref().map(|spans| within(&first_instant, spans)));
        let states = derivation.groups.iter().chain(&derivation.states).cloned();
        joined(rollup.name(), source, conjuncts, &derivation.joins)?
            .project(self.named(states)?)?
            .build()
    }

    fn raw_partials(&self, branch: &Branch<Arc<Leaf>>) -> Result<LogicalPlan> {
        let source = self.sources.raw(&branch.files, &leaves_of_days(self.cover, &branch.files));
        let mut conjuncts = self.block.conjuncts.clone();
        let time = Expr::Column(Column::from_name(self.dataset.time_column()));
        conjuncts.extend(branch.within.as_ref().map(|spans| within(&time, spans)));
        let groups = self.group_exprs().enumerate();
        let groups: Vec<_> = groups.map(|(at, expr)| expr.clone().alias(group_name(at))).collect();
        let mut partials = Vec::new();
        for call in self.folded() {
            for state in call.function.states(&call.argument_type) {
                let argument = call.argument.clone();
                let partial = state.partial(argument, &call.argument_type, call.filter.clone());
                let name = state_name(partials.len());
                partials.push(partial?.alias(name));
            }
        }
        let names = (0..groups.len()).map(group_name);
        let columns = names.chain((0..partials.len()).map(state_name));
        let columns: Vec<_> = columns.map(|name| Expr::Column(Column::from_name(name))).collect();
        joined(self.dataset.table(), source, conjuncts, &self.block.joins)?
            .aggregate(groups, partials)?
            .project(self.named(columns)?)?
            .build()
    }

    /// The expressions that the branches are grouped by: the block's groups, then its keys.
    fn group_exprs(&self) -> impl Iterator<Item = &Expr> {
        self.block.group.iter().chain(&self.block.keys)
    }

    /// The calls that are computed from partials: those without DISTINCT.
    fn folded(&self) -> impl Iterator<Item = &Call> {
        self.block.calls.iter().filter(|call| call.distinct.is_none())
    }

    /// Groups and states, with the names and types that all branches share.
    fn named(&self, exprs: impl IntoIterator<Item = Expr>) -> Result<Vec<Expr>> {
        let fields = self.united_fields()?;
        Ok(exprs
            .into_iter()
            .zip(fields)
            .map(|(expr, field)| cast(expr, field.data_type().clone()).alias(field.name()))
            .collect())
    }

    fn united_fields(&self) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        for (at, expr) in self.group_exprs().enumerate() {
            let (_, field) = expr.to_field(&self.block.schema)?;
            fields.push(Field::new(group_name(at), field.data_type().clone(), field.is_nullable()));
        }
        for (at, kind) in self.state_types().into_iter().enumerate() {
            fields.push(Field::new(state_name(at), kind, true));
        }
        Ok(fields)
    }

    fn state_types(&self) -> Vec<DataType> {
        let states = |call: &Call| {
            let states = call.function.states(&call.argument_type);
            states
                .into_iter()
                .map(|state| state.partial_type(&call.argument_type))
                .collect::<Vec<_>>()
        };
        self.folded().flat_map(states).collect()
    }

    fn unite(&self, branches: Vec<LogicalPlan>) -> Result<LogicalPlan> {
        let mut branches = branches.into_iter();
        let Some(first) = branches.next() else {
            let schema = DFSchema::try_from(Schema::new(self.united_fields()?))?;
            return Ok(LogicalPlan::EmptyRelation(EmptyRelation {
                produce_one_row: false,
                schema: Arc::new(schema),
            }));
        };
        branches.try_fold(LogicalPlanBuilder::from(first), LogicalPlanBuilder::union)?.build()
    }

    /// The top of the plan. It keeps the original grouping, including grouping sets, over the
    /// branches' groups. Each call is merged from its states, or computed over its key. A
    /// projection finalizes.
    fn merge(&self, united: LogicalPlan) -> Result<LogicalPlan> {
        let column = |name: String| Expr::Column(Column::from_name(name));
        let mut merges = Vec::new();
        let mut finals = Vec::new();
        let groups = self.aggregate.schema.fields().len() - self.block.calls.len();
        let mut states = 0;
        for (at, call) in self.block.calls.iter().enumerate() {
            let field = self.aggregate.schema.field(groups + at);
            if let Some(key) = call.distinct {
                let name = format!("distinct_{at}");
                let mut key = column(group_name(self.block.group.len() + key));
                let mut value = column(name.clone());
                if call.function.can_wrap(&call.argument_type) {
                    key = Function::with_room(key, &call.argument_type);
                    value = narrowed(value, field.data_type(), field.name());
                }
                merges.push(over_key(&self.aggregate.aggr_expr, at, key)?.alias(&name));
                finals.push(value);
                continue;
            }
            let mut folded = Vec::new();
            for state in call.function.states(&call.argument_type) {
                let name = state_name(states);
                merges.push(state.merge(column(name.clone())).alias(&name));
                folded.push(column(name));
                states += 1;
            }
            let to = (field.data_type(), field.name().as_str());
            let value = call.function.finalize(&folded, &call.argument_type, to);
            finals.push(value?);
        }
        let aggregated = Aggregate::try_new(Arc::new(united), self.grouping()?, merges)?;
        let plain = aggregated.schema.iter().take(groups);
        let groups: Vec<_> = plain.map(|group| Expr::Column(Column::from(group))).collect();
        let fields = self.aggregate.schema.iter();
        let named = groups.into_iter().chain(finals).zip(fields);
        let named = named.map(|(expr, (qualifier, field))| {
            expr.alias_qualified(qualifier.cloned(), field.name())
        });
        let named = named.collect::<Vec<_>>();
        LogicalPlanBuilder::from(LogicalPlan::Aggregate(aggregated)).project(named)?.build()
    }

    fn grouping(&self) -> Result<Vec<Expr>> {
        let given = grouping_set_to_exprlist(&self.aggregate.group_expr)?;
        let column = |expr: &Expr| {
            let at = given.iter().position(|other| *other == expr);
            Expr::Column(Column::from_name(group_name(at.unwrap_or(given.len()))))
        };
        Ok(match self.aggregate.group_expr.as_slice() {
            [Expr::GroupingSet(sets)] => vec![Expr::GroupingSet(mapped(sets, column))],
            exprs => exprs.iter().map(column).collect(),
        })
    }

    /// The refusal if the new plan has another schema. The nodes above the block were planned
    /// against the old schema.
    fn same_schema(&self, plan: &LogicalPlan) -> Option<Refusal> {
        let (before, after) = (&self.aggregate.schema, plan.schema());
        if before.fields().len() != after.fields().len() {
            return Some(Refusal::Schema("the number of columns".to_owned()));
        }
        let pairs = before.iter().zip(after.iter());
        let mut differing = pairs.filter(|((before_of, before), (after_of, after))| {
            before_of != after_of
                || before.name() != after.name()
                || before.data_type() != after.data_type()
                || before.is_nullable() != after.is_nullable()
        });
        differing.next().map(|((_, before), (_, after))| {
            Refusal::Schema(format!("`{}`: {before} instead of {after}", before.name()))
        })
    }
}

/// A scan with its filters and joins. Filters that need a joined table are applied after all
/// joins.
fn joined(
    table: &str,
    source: Arc<dyn TableSource>,
    conjuncts: Vec<Expr>,
    joins: &[Joined],
) -> Result<LogicalPlanBuilder> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for conjunct in conjuncts {
        if needs_join(&conjunct)? { after.push(conjunct) } else { before.push(conjunct) }
    }
    let mut plan = LogicalPlanBuilder::scan(table, source, None)?;
    if let Some(predicate) = conjunction(before) {
        plan = plan.filter(predicate)?;
    }
    for join in joins {
        let left = plan.build()?;
        // DataFusion's rules name what they derive from a key after the key's columns. So a
        // column must have the same name everywhere.
        let on = join.on.iter();
        let on = on.map(|(raw, other)| Ok((qualified(raw, &left)?, other.clone())));
        let join = Join::try_new(
            Arc::new(left.clone()),
            Arc::new(join.other.clone()),
            on.collect::<Result<_>>()?,
            join.filter.as_ref().map(|filter| qualified(filter, &left)).transpose()?,
            join.kind,
            JoinConstraint::On,
            join.null_equality,
            join.null_aware,
        )?;
        plan = LogicalPlanBuilder::from(LogicalPlan::Join(join));
    }
    match conjunction(after) {
        None => Ok(plan),
        Some(predicate) => plan.filter(predicate),
    }
}

/// The expression with its raw columns qualified as in the plan.
fn qualified(expr: &Expr, plan: &LogicalPlan) -> Result<Expr> {
    let named = expr.clone().transform(|part| match &part {
        Expr::Column(column) if column.relation.is_none() && !is_joined(column) => {
            let found = plan.schema().qualified_field_with_unqualified_name(&column.name)?;
            Ok(Transformed::yes(Expr::Column(Column::from(found))))
        }
        _ => Ok(Transformed::no(part)),
    });
    named.data()
}

/// The original DISTINCT call, over its key. The key already contains the call's filter.
fn over_key(calls: &[Expr], at: usize, key: Expr) -> Result<Expr> {
    let call = calls.get(at).map(|call| call.clone().unalias());
    let Some(Expr::AggregateFunction(mut call)) = call else {
        return internal_err!("a call over different values");
    };
    call.params.args = vec![key];
    call.params.filter = None;
    Ok(Expr::AggregateFunction(call))
}

fn group_name(at: usize) -> String {
    format!("group_{at}")
}

fn state_name(at: usize) -> String {
    format!("state_{at}")
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn partial_results_of_segments_and_of_raw_rows_are_merged() {
        let sql = "SELECT model, sum(cost) AS spend, count(*) AS calls FROM calls GROUP BY model";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: calls.model ASC NULLS LAST, spend ASC NULLS LAST, calls ASC NULLS LAST
          Projection: calls.model, sum(calls.cost) AS spend, count(Int64(1)) AS count(*) AS calls
            Projection: group_0 AS model, CAST(state_0 AS Decimal128(28, 12)) AS sum(calls.cost), coalesce(state_1, Int64(0)) AS count(Int64(1))
              Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0, sum(state_1) AS state_1]]
                Union
                  Union
                    Projection: CAST(daily.model AS Utf8View) AS group_0, CAST(daily.cost_sum AS Decimal128(28, 12)) AS state_0, CAST(daily.calls AS Int64) AS state_1
                      TableScan: daily
                    Projection: CAST(hourly.model AS Utf8View) AS group_0, CAST(hourly.cost_sum AS Decimal128(28, 12)) AS state_0, CAST(hourly.calls AS Int64) AS state_1
                      TableScan: hourly
                  Projection: CAST(group_0 AS Utf8View) AS group_0, CAST(state_0 AS Decimal128(28, 12)) AS state_0, CAST(state_1 AS Int64) AS state_1
                    Aggregate: groupBy=[[calls.model AS group_0]], aggr=[[sum(calls.cost) AS state_0, count(Int64(1)) AS state_1]]
                      TableScan: calls
        -- 10 days: 8 from daily, 1 from hourly, 1 raw (no segment)
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
