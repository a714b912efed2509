//! The rewrite of a whole plan: first each aggregate block on its own, then the remaining raw
//! scans.
//!
//! ```text
//! SELECT org, cost FROM calls WHERE date = '2026-01-02'
//! ──▶  Projection: org, cost
//!        Filter: date = 2026-01-02
//!          TableScan: calls            ← the raw leaves of 2026-01-02 alone
//! ```

use datafusion::{
    common::tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    error::Result,
    logical_expr::{
        Aggregate, Filter, LogicalPlan, LogicalPlanBuilder, TableScan, utils::split_conjunction,
    },
};

use crate::{
    base::{Route, Span, Spans},
    model::{Dataset, Rollup, Snapshot},
    plan::{
        BlockDecision, Cover, Decision, FileSources, RawReason, Refusal,
        block::{Block, shape},
        cover::splice::Splice,
        derive::{self, Derivation, attempt::or_refusal, time_filter},
        one_answer::{exact, grouping_sets, order},
        raw_table,
    },
};

/// Refusals, each with the rollup's name.
type Refusals = Vec<(String, Refusal)>;

/// A rewritten block.
type Spliced = (LogicalPlan, BlockDecision);

/// The name that stands for every rollup in a list of refusals.
const EVERY_ROLLUP: &str = "*";

/// Covers that read fewer bytes than this are never refused as too large: the choice of files
/// makes no noticeable difference.
const NOTICEABLE_BYTES: u64 = 4 << 20;

/// The union of the instants that the scans of the raw table in `plan` need.
///
/// # Errors
/// DataFusion's, for a malformed plan.
pub(crate) fn spans_needed(plan: &LogicalPlan, dataset: &Dataset) -> Result<Spans> {
    let mut needed = Spans::none();
    add_spans(plan, dataset, &mut needed)?;
    Ok(needed)
}

fn add_spans(plan: &LogicalPlan, dataset: &Dataset, needed: &mut Spans) -> Result<()> {
    let spans = match plan {
        LogicalPlan::Filter(filter) if raw_scan(&filter.input).is_some() => {
            Some(filter_spans(filter, dataset))
        }
        LogicalPlan::TableScan(scan) if raw_table::is_raw(scan) => Some(Spans::all()),
        _ => None,
    };
    // A subquery in the filter has spans of its own.
    plan.apply_subqueries(|subquery| {
        add_spans(subquery, dataset, needed).map(|()| TreeNodeRecursion::Continue)
    })?;
    if let Some(spans) = spans {
        *needed = needed.union(&spans);
        return Ok(());
    }
    plan.inputs().into_iter().try_for_each(|input| add_spans(input, dataset, needed))
}

/// Rewrites analyzed plans against one snapshot.
pub(crate) struct Rewriter<'a> {
    /// The dataset whose raw table is rewritten.
    pub dataset: &'a Dataset,
    /// What exists. It must cover the instants that [`spans_needed`] gives.
    pub snapshot: &'a Snapshot,
    /// Tables over the snapshot's files.
    pub sources: &'a dyn FileSources,
    /// Which files may answer.
    pub route: Route,
    /// Spans up to this many days are read raw when the route is `Auto`.
    pub min_span_days: i64,
}

impl std::fmt::Debug for Rewriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriter").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Rewriter<'_> {
    /// An equal plan over explicit files, and the decision. The plan must have been analyzed, and
    /// its filters pushed down.
    ///
    /// # Errors
    /// `Internal` when a cover doesn't tile its span; DataFusion's otherwise.
    pub(crate) fn rewrite(&self, plan: LogicalPlan) -> Result<(LogicalPlan, Decision)> {
        let mut decision = Decision::default();
        let plan = order::settle(plan)?;
        // Inner nodes come first: an aggregate over an aggregate's result doesn't read raw rows
        // any more.
        let plan = plan.transform_up_with_subqueries(|node| match node {
            LogicalPlan::Aggregate(aggregate) => self.block(aggregate, &mut decision),
            node => exact::exact(node),
        })?;
        let rows = [(EVERY_ROLLUP.to_owned(), Refusal::NoAggregate)];
        let plan = self.give_files(plan.data, &mut decision, &rows)?;
        let plan = plan.transform_up_with_subqueries(grouping_sets::end_constants)?;
        Ok((plan.data, decision))
    }

    fn block(
        &self,
        aggregate: Aggregate,
        decision: &mut Decision,
    ) -> Result<Transformed<LogicalPlan>> {
        let refusals = match or_refusal(shape::read(&aggregate))? {
            Ok(None) => return exact::exact(LogicalPlan::Aggregate(aggregate)),
            Err(refusal) => vec![(EVERY_ROLLUP.to_owned(), refusal)],
            Ok(Some(block)) => match self.splice(&aggregate, &block)? {
                Ok((plan, taken)) => {
                    decision.blocks.push(taken);
                    return Ok(Transformed::yes(plan));
                }
                Err(refusals) => refusals,
            },
        };
        let plan = LogicalPlan::Aggregate(aggregate);
        let plan = self.give_files(plan, decision, &refusals)?;
        Ok(Transformed::yes(exact::exact(plan)?.data))
    }

    /// The block's plan over segments, or why every rollup was refused.
    fn splice(&self, aggregate: &Aggregate, block: &Block) -> Result<Result<Spliced, Refusals>> {
        let spans = time_filter::spans_of(&block.conjuncts, self.dataset.time_column());
        if let Some(refusal) = self.preference(spans.hull()) {
            return Ok(Err(vec![(EVERY_ROLLUP.to_owned(), refusal)]));
        }
        let days = self.days_read(&spans);
        let mut derivations: Vec<(&Rollup, Derivation)> = Vec::new();
        let mut refusals = Vec::new();
        for rollup in self.dataset.all_rollups() {
            match or_refusal(derive::derive(block, rollup, self.dataset, days))? {
                Ok(derivation) => derivations.push((rollup, derivation)),
                Err(refusal) => refusals.push((rollup.name().to_owned(), refusal)),
            }
        }
        if derivations.is_empty() {
            return Ok(Err(refusals));
        }
        let rollups: Vec<_> = derivations.iter().map(|(rollup, _)| *rollup).collect();
        let cover = Cover::tile(spans.clone(), self.snapshot, &rollups);
        cover.check(self.snapshot)?;
        if let Some(refusal) = self.no_gain(&cover, spans) {
            return Ok(Err(vec![(EVERY_ROLLUP.to_owned(), refusal)]));
        }
        let splice = Splice {
            dataset: self.dataset,
            sources: self.sources,
            aggregate,
            block,
            derivations: &derivations,
            cover: &cover,
        };
        Ok(match or_refusal(splice.plan())? {
            Ok(plan) => Ok((plan, BlockDecision { cover, refusals })),
            Err(refusal) => {
                refusals.push((EVERY_ROLLUP.to_owned(), refusal));
                Err(refusals)
            }
        })
    }

    /// The refusal if raw leaves are preferred for the span. The preference concerns the cost,
    /// never the answer. A span with purged rows is refused on the route `Raw` only: nothing but
    /// rollups can answer for purged rows.
    fn preference(&self, span: Span) -> Option<Refusal> {
        match (self.route, span.length_days()) {
            (Route::Raw, _) => Some(Refusal::RouteRaw),
            (Route::Auto, Some(days))
                if (1..=self.min_span_days).contains(&days) && !self.snapshot.has_purged(span) =>
            {
                Some(Refusal::ShortSpan { days, min_span_days: self.min_span_days })
            }
            _ => None,
        }
    }

    /// The hull of `spans`, cut off before its first and after its last day with raw rows.
    fn days_read(&self, spans: &Spans) -> Span {
        let hull = spans.hull();
        self.snapshot
            .days(hull)
            .fold(Span::EMPTY, |days, (day, _)| days.hull(day.span().intersect(hull)))
    }

    /// The refusal if the cover's files are larger than the raw files that it replaces.
    fn no_gain(&self, cover: &Cover, spans: Spans) -> Option<Refusal> {
        let bytes = cover.bytes();
        let wanted = self.route == Route::Auto && bytes >= NOTICEABLE_BYTES;
        if !wanted || self.snapshot.has_purged(spans.hull()) {
            return None;
        }
        let raw_bytes = Cover::raw(spans, self.snapshot, RawReason::Preferred).bytes();
        (bytes > raw_bytes).then_some(Refusal::NotCheaper { bytes, raw_bytes })
    }

    /// Gives each raw scan in `plan` the live leaves of its filter's span.
    fn give_files(
        &self,
        plan: LogicalPlan,
        decision: &mut Decision,
        refusals: &[(String, Refusal)],
    ) -> Result<LogicalPlan> {
        let given = match plan {
            LogicalPlan::Filter(filter) if raw_scan(&filter.input).is_some() => {
                let spans = filter_spans(&filter, self.dataset);
                let scan = raw_scan(&filter.input)
                    .map(|scan| self.with_files(scan, spans, decision, refusals));
                let input = scan.transpose()?.map_or(filter.input, Into::into);
                LogicalPlan::Filter(Filter::try_new(filter.predicate, input)?)
            }
            LogicalPlan::TableScan(scan) if raw_table::is_raw(&scan) => {
                return self.with_files(&scan, Spans::all(), decision, refusals);
            }
            plan => {
                plan.map_children(|input| {
                    self.give_files(input, decision, refusals).map(Transformed::yes)
                })?
                .data
            }
        };
        // A filter's subqueries read raw rows, too.
        let given = given.map_subqueries(|subquery| {
            self.give_files(subquery, decision, refusals).map(Transformed::yes)
        })?;
        Ok(given.data)
    }

    /// A raw scan over the live leaves of those spans.
    fn with_files(
        &self,
        scan: &TableScan,
        spans: Spans,
        decision: &mut Decision,
        refusals: &[(String, Refusal)],
    ) -> Result<LogicalPlan> {
        let refusals = refusals.to_vec();
        let cover = Cover::raw(spans, self.snapshot, raw_reason(&refusals));
        let leaves = cover.leaves();
        decision.blocks.push(BlockDecision { cover, refusals });
        let scan = LogicalPlanBuilder::scan_with_filters_fetch(
            scan.table_name.clone(),
            self.sources.raw(&leaves, &leaves),
            scan.projection.clone(),
            scan.filters.clone(),
            scan.fetch,
        );
        scan?.build()
    }
}

fn raw_reason(refusals: &[(String, Refusal)]) -> RawReason {
    let by_choice =
        |refusal: &Refusal| matches!(refusal, Refusal::RouteRaw | Refusal::ShortSpan { .. });
    match refusals {
        [(_, refusal)] if by_choice(refusal) => RawReason::Preferred,
        _ => RawReason::NoRollup,
    }
}

fn raw_scan(plan: &LogicalPlan) -> Option<&TableScan> {
    match plan {
        LogicalPlan::TableScan(scan) if raw_table::is_raw(scan) => Some(scan),
        _ => None,
    }
}

fn filter_spans(filter: &Filter, dataset: &Dataset) -> Spans {
    time_filter::spans_of(split_conjunction(&filter.predicate), dataset.time_column())
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn rows_without_an_aggregate_are_read_raw() {
        let sql = "SELECT org, cost FROM calls WHERE date = '2026-01-02'";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Projection: calls.org, calls.cost
          Filter: calls.date = Date32("2026-01-02")
            TableScan: calls
        -- 1 day: 1 raw (no rollup serves)
        --   not *: the query asks for raw rows, not for an aggregate
        "#);
    }

    #[test]
    fn a_subquery_in_a_filter_has_days_of_its_own() {
        let sql = "SELECT count(*) FROM calls WHERE date = '2026-01-02' AND cost > (SELECT max(cost) FROM calls WHERE date = '2026-01-09')";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: count(*) ASC NULLS LAST
          Projection: count(Int64(1)) AS count(*)
            Aggregate: groupBy=[[]], aggr=[[count(Int64(1))]]
              Filter: calls.date = Date32("2026-01-02") AND calls.cost > (<subquery>)
                Subquery:
                  Projection: max(calls.cost)
                    Projection: CAST(state_0 AS Decimal128(18, 12)) AS max(calls.cost)
                      Aggregate: groupBy=[[]], aggr=[[max(state_0) AS state_0]]
                        Projection: CAST(daily.cost_max AS Decimal128(18, 12)) AS state_0
                          TableScan: daily
                TableScan: calls
        -- 1 day: 1 from daily
        --   not hourly: max(cost) is not stored; add it to measures
        --   not paid: it is only of rows where paid = true; ask for those alone
        -- 1 day: 1 raw (no rollup serves)
        --   not daily: cost is not a dimension; add it to dimensions
        --   not hourly: cost is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }

    #[test]
    fn raw_rows_of_a_subquery_in_a_filter_get_their_files() {
        let sql = "SELECT org FROM calls WHERE date = '2026-01-02' AND cost > (SELECT cost FROM calls WHERE date = '2026-01-09' LIMIT 1)";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Projection: calls.org
          Filter: calls.date = Date32("2026-01-02") AND calls.cost > (<subquery>)
            Subquery:
              Limit: skip=0, fetch=1
                Projection: calls.cost
                  Filter: calls.date = Date32("2026-01-09")
                    TableScan: calls
            TableScan: calls
        -- 1 day: 1 raw (no rollup serves)
        --   not *: the query asks for raw rows, not for an aggregate
        -- 1 day: 1 raw (no rollup serves)
        --   not *: the query asks for raw rows, not for an aggregate
        "#);
    }
}
