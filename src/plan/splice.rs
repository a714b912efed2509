//! Building the plan of a covered block, of stock nodes alone.
//!
//! ```text
//! Projection: finalize, cast, the original names
//!   Aggregate: merge
//!     Union
//!       Projection: states          ← segments
//!         Filter ← TableScan
//!       Projection                  ← raw leaves: whole, late, edges
//!         Aggregate: partial
//!           Filter ← TableScan
//! ```
//!
//! Finals are never united: only the top finalizes. With nothing to read there is an empty relation
//! under the aggregate, so that one without GROUP BY still yields its row.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::{
    common::{Column, DFSchema},
    error::{DataFusionError, Result},
    logical_expr::{
        Aggregate, EmptyRelation, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder,
        TableSource, cast, utils::conjunction,
    },
};

use super::{
    Cover, Refusal, Source,
    derive::{Derivation, within},
    shape::Block,
};
use crate::{
    base::{Grain, Span},
    model::{Dataset, Rollup},
    store::{Leaf, SegmentFile},
};

/// Tables over given files, handed in by whoever can read them.
pub(crate) trait FileSources {
    /// The raw table, of only those leaves.
    fn raw(&self, leaves: &[Arc<Leaf>]) -> Arc<dyn TableSource>;
    /// A rollup's rows, of only those segments.
    fn segments(&self, rollup: &Rollup, segments: &[Arc<SegmentFile>]) -> Arc<dyn TableSource>;
}

/// A block with everything needed to splice it.
pub(super) struct Splice<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) sources: &'a dyn FileSources,
    pub(super) aggregate: &'a Aggregate,
    pub(super) block: &'a Block,
    pub(super) derivations: &'a [(&'a Rollup, Derivation)],
    pub(super) cover: &'a Cover,
}

/// Files that are read alike: in full, or only within a span.
struct Branch<T> {
    within: Option<Span>,
    files: Vec<T>,
}

impl Splice<'_> {
    /// The plan, or what of the schema it can't keep.
    pub(super) fn plan(&self) -> Result<Result<LogicalPlan, Refusal>> {
        let mut branches = Vec::new();
        for (rollup, derivation) in self.derivations {
            for branch in self.segment_branches(rollup) {
                branches.push(self.segment_rows(rollup, derivation, &branch)?);
            }
        }
        for branch in self.raw_branches() {
            branches.push(self.raw_partials(&branch)?);
        }
        let plan = self.merge(self.unite(branches)?)?;
        Ok(self.same_schema(&plan).map_or(Ok(plan), Err))
    }

    fn segment_branches(&self, rollup: &Rollup) -> Vec<Branch<Arc<SegmentFile>>> {
        let mut branches = Vec::new();
        for piece in &self.cover.pieces {
            if let Source::Segment { rollup: name, segment, .. } = &piece.source
                && name == rollup.name()
            {
                let whole = piece.span == piece.day.span();
                add(&mut branches, (!whole).then_some(piece.span), Arc::clone(segment));
            }
        }
        branches
    }

    /// The block's own filter answers for the ends of its span, so only pieces that end elsewhere
    /// need one more.
    fn raw_branches(&self) -> Vec<Branch<Arc<Leaf>>> {
        let mut branches = Vec::new();
        for piece in &self.cover.pieces {
            if let Source::Leaves { leaves, .. } = &piece.source {
                let wanted = self.cover.span.intersect(piece.day.span());
                let part = (piece.span != wanted).then_some(piece.span);
                for leaf in leaves {
                    add(&mut branches, part, Arc::clone(leaf));
                }
            }
        }
        branches
    }

    fn segment_rows(
        &self,
        rollup: &Rollup,
        derivation: &Derivation,
        branch: &Branch<Arc<SegmentFile>>,
    ) -> Result<LogicalPlan> {
        let source = self.sources.segments(rollup, &branch.files);
        let mut filters = derivation.filters.clone();
        if let Some(span) = branch.within {
            debug_assert_eq!(rollup.grain(), Grain::Hour);
            filters.push(within(rollup.bucket_column(), span));
        }
        let states = derivation.group.iter().chain(&derivation.states).cloned();
        filtered(rollup.name(), source, filters)?.project(self.named(states)?)?.build()
    }

    fn raw_partials(&self, branch: &Branch<Arc<Leaf>>) -> Result<LogicalPlan> {
        let source = self.sources.raw(&branch.files);
        let mut filters = self.block.conjuncts.clone();
        filters.extend(branch.within.map(|span| within(self.dataset.time_column(), span)));
        let groups = self.block.group.iter().enumerate();
        let groups = groups.map(|(at, expr)| expr.clone().alias(group_name(at)));
        let mut partials = Vec::new();
        for call in &self.block.calls {
            for fold in call.function.folds(&call.argument_type) {
                let partial = fold
                    .partial(call.argument.clone(), call.filter.clone())
                    .map_err(|error| DataFusionError::External(Box::new(error)))?;
                partials.push(partial.alias(state_name(partials.len())));
            }
        }
        let names = (0..self.block.group.len()).map(group_name);
        let columns = names.chain((0..partials.len()).map(state_name));
        let columns: Vec<_> = columns.map(|name| Expr::Column(Column::from_name(name))).collect();
        filtered(self.dataset.table(), source, filters)?
            .aggregate(groups, partials)?
            .project(self.named(columns)?)?
            .build()
    }

    /// Groups and states with the names and types that all branches share.
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
        for (at, expr) in self.block.group.iter().enumerate() {
            let (_, field) = expr.to_field(&self.block.schema)?;
            fields.push(Field::new(group_name(at), field.data_type().clone(), field.is_nullable()));
        }
        for (at, kind) in self.state_types().into_iter().enumerate() {
            fields.push(Field::new(state_name(at), kind, true));
        }
        Ok(fields)
    }

    fn state_types(&self) -> Vec<DataType> {
        let folds = |call: &super::shape::Call| {
            let folds = call.function.folds(&call.argument_type);
            folds.into_iter().map(|fold| fold.partial_type(&call.argument_type)).collect::<Vec<_>>()
        };
        self.block.calls.iter().flat_map(folds).collect()
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

    fn merge(&self, united: LogicalPlan) -> Result<LogicalPlan> {
        let groups: Vec<_> = (0..self.block.group.len())
            .map(|at| Expr::Column(Column::from_name(group_name(at))))
            .collect();
        let folds =
            self.block.calls.iter().flat_map(|call| call.function.folds(&call.argument_type));
        let merges = folds.enumerate().map(|(at, fold)| {
            let partial = Expr::Column(Column::from_name(state_name(at)));
            fold.merge(partial).alias(state_name(at))
        });
        let aggregated = LogicalPlanBuilder::from(united).aggregate(groups.clone(), merges)?;
        let mut states = (0..).map(|at| Expr::Column(Column::from_name(state_name(at))));
        let mut finals = groups;
        for (at, call) in self.block.calls.iter().enumerate() {
            let folds = call.function.folds(&call.argument_type).len();
            let folded: Vec<_> = states.by_ref().take(folds).collect();
            let field = self.aggregate.schema.field(self.block.group.len() + at);
            let value = call
                .function
                .finalize(&folded, &call.argument_type, field.data_type())
                .map_err(|error| DataFusionError::External(Box::new(error)))?;
            finals.push(value);
        }
        let fields = self.aggregate.schema.iter();
        let named = finals.into_iter().zip(fields).map(|(expr, (qualifier, field))| {
            expr.alias_qualified(qualifier.cloned(), field.name())
        });
        aggregated.project(named.collect::<Vec<_>>())?.build()
    }

    /// What sits above the block was planned against its schema, so that must stay as it was.
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

fn add<T>(branches: &mut Vec<Branch<T>>, within: Option<Span>, file: T) {
    match branches.iter_mut().find(|branch| branch.within == within) {
        Some(branch) => branch.files.push(file),
        None => branches.push(Branch { within, files: vec![file] }),
    }
}

fn filtered(
    table: &str,
    source: Arc<dyn TableSource>,
    filters: Vec<Expr>,
) -> Result<LogicalPlanBuilder> {
    let scan = LogicalPlanBuilder::scan(table, source, None)?;
    match conjunction(filters) {
        None => Ok(scan),
        Some(predicate) => scan.filter(predicate),
    }
}

fn group_name(at: usize) -> String {
    format!("group_{at}")
}

fn state_name(at: usize) -> String {
    format!("state_{at}")
}
