//! Decides whether a rollup can serve a block, and rewrites the block in terms of the rollup's
//! rows.
//!
//! ```text
//! date_trunc('week', at), sum(cost)
//! ──▶  date_trunc('week', CAST(daily.date AS Timestamp)), daily.cost_sum     by day
//!      date_trunc('week', hourly.hour), hourly.cost_sum                      by hour
//! ```
//!
//! All raw rows of one rollup row agree on its dimensions and its bucket. So an expression over
//! dimensions and the bucket alone has one value for all of the raw rows, and can be computed from
//! the rollup row instead:
//!
//! 1. A dimension's column stays as it is, and so does a joined table's. `tags['team']` becomes the
//!    dimension of that name.
//! 2. `date` becomes the bucket's date.
//! 3. The time column may occur only inside a function that is constant over each bucket
//!    ([`time_terms`]). There it becomes the bucket's first instant.
//! 4. A predicate on time that is exactly a set of whole buckets is applied to the bucket's first
//!    instant. A conjunct that is exactly a set of instants is left to the cover.
//! 5. A rollup of some rows serves queries about these rows alone ([`implied`]).
//! 6. Each aggregate's states must follow from stored states ([`partials`]).

pub(super) mod attempt;
pub(super) mod implied;
pub(super) mod partials;
pub(super) mod time_filter;
pub(super) mod time_terms;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        Column, ScalarValue,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    error::Result,
    logical_expr::{Expr, cast, lit, utils::disjunction},
};

use crate::{
    base::{Grain, Span, Spans, Zone},
    model::{DATE_COLUMN, Dataset, Rollup, algebra::tag},
    plan::{
        Refusal,
        block::{Block, Joined, is_joined},
        derive::{
            attempt::{Attempt, or_refusal},
            time_filter::TimeFilter,
        },
    },
};

/// A block in terms of a rollup's columns.
#[derive(Clone, Debug)]
pub(in crate::plan) struct Derivation {
    /// The grouping expressions, then the keys.
    pub(in crate::plan) groups: Vec<Expr>,
    /// The filters other than those that the cover or the rollup's own filter already applies.
    pub(in crate::plan) conjuncts: Vec<Expr>,
    /// The joined tables, with conditions in the rollup's columns.
    pub(in crate::plan) joins: Vec<Joined>,
    /// The partial of each state of each call, in order.
    pub(in crate::plan) states: Vec<Expr>,
}

/// What is needed to rewrite a block's expressions in a rollup's columns.
pub(in crate::plan) struct Terms<'a> {
    pub(in crate::plan) block: &'a Block,
    pub(in crate::plan) rollup: &'a Rollup,
    /// The name of the time column.
    pub(in crate::plan) time: &'a str,
    /// The days that the block reads. A time zone must keep the rollup's buckets on these days.
    pub(in crate::plan) days: Span,
}

/// Derives the block from the rollup, or returns the first refusal.
pub(in crate::plan) fn derive(
    block: &Block,
    rollup: &Rollup,
    dataset: &Dataset,
    days: Span,
) -> Attempt<Derivation> {
    let terms = Terms { block, rollup, time: dataset.time_column(), days };
    let conjuncts = match rollup.filter_expr() {
        None => block.conjuncts.iter().collect(),
        Some(filter) => {
            let Some(remaining) = implied::remaining(filter, &block.conjuncts, &block.schema)?
            else {
                let filter = rollup.filter().unwrap_or_default().to_owned();
                return Err(Refusal::OtherRows(filter).into());
            };
            remaining
        }
    };
    let mut derivation =
        Derivation { groups: vec![], conjuncts: vec![], joins: vec![], states: vec![] };
    for expr in block.group.iter().chain(&block.keys) {
        derivation.groups.push(terms.map(expr)?);
    }
    for conjunct in conjuncts {
        if !matches!(time_filter::read(conjunct, terms.time), TimeFilter::Exact(_)) {
            derivation.conjuncts.push(terms.map(conjunct)?);
        }
    }
    for join in &block.joins {
        let mut join = join.clone();
        for (raw, _) in &mut join.on {
            *raw = terms.map(raw)?;
        }
        if let Some(filter) = &mut join.filter {
            *filter = terms.map(filter)?;
        }
        derivation.joins.push(join);
    }
    for call in &block.calls {
        derivation.states.extend(terms.partials(call)?);
    }
    Ok(derivation)
}

impl Terms<'_> {
    /// The expression in the rollup's columns.
    pub(in crate::plan) fn map(&self, expr: &Expr) -> Attempt<Expr> {
        let mut refusal = None;
        let mapped = expr.clone().transform_down(|node| {
            match or_refusal(self.in_time(&node))? {
                Ok(None) => {}
                Ok(Some(mapped)) => {
                    return Ok(Transformed::new(mapped, true, TreeNodeRecursion::Jump));
                }
                Err(why) => {
                    refusal = Some(why);
                    return Ok(Transformed::new(node, false, TreeNodeRecursion::Stop));
                }
            }
            match tag::tag_of(&node) {
                Some((column, name)) if self.rollup.has_dimension(&name) && !is_joined(column) => {
                    let dimension = Expr::Column(Column::from_name(name));
                    return Ok(Transformed::new(dimension, true, TreeNodeRecursion::Jump));
                }
                Some((column, name))
                    if !is_joined(column) && !self.rollup.has_dimension(&column.name) =>
                {
                    refusal = Some(Refusal::NotADimension(name));
                    return Ok(Transformed::new(node, false, TreeNodeRecursion::Stop));
                }
                _ => {}
            }
            match &node {
                Expr::Column(column) if is_joined(column) => Ok(Transformed::no(node)),
                Expr::Column(column) if column.name == DATE_COLUMN => {
                    Ok(Transformed::new(self.bucket_date(), true, TreeNodeRecursion::Jump))
                }
                Expr::Column(column) if column.name == self.time => {
                    refusal = Some(self.finer(expr));
                    Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
                }
                Expr::Column(column) if !self.rollup.has_dimension(&column.name) => {
                    refusal = Some(Refusal::NotADimension(column.name.clone()));
                    Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
                }
                _ => Ok(Transformed::no(node)),
            }
        })?;
        refusal.map_or(Ok(mapped.data), |refusal| Err(refusal.into()))
    }

    /// Applies rules 3 and 4. `None` when the node is neither such a function nor such a
    /// predicate.
    fn in_time(&self, node: &Expr) -> Attempt<Option<Expr>> {
        let grain = self.rollup.grain();
        if let Some(zone) = time_terms::constant_in_bucket(node, self.time, grain) {
            if self.keeps(zone) {
                return Ok(Some(self.at_bucket_start(node.clone())?));
            }
            return Err(Refusal::ZoneCutsBuckets { zone, grain }.into());
        }
        let comparison = !matches!(node, Expr::Literal(..));
        match time_filter::read(node, self.time) {
            TimeFilter::Exact(spans) if comparison && whole_buckets(&spans, grain) => {
                Ok(Some(within(&self.bucket_start(), &spans)))
            }
            _ => Ok(None),
        }
    }

    fn keeps(&self, zone: Zone) -> bool {
        zone.is_utc() || zone.keeps_buckets(self.rollup.grain(), self.days)
    }

    fn finer(&self, expr: &Expr) -> Refusal {
        Refusal::FinerThanGrain { expression: expr.to_string(), grain: self.rollup.grain() }
    }

    fn at_bucket_start(&self, expr: Expr) -> Result<Expr> {
        let mapped = expr.transform_down(|node| match &node {
            Expr::Column(column) if column.name == self.time => {
                Ok(Transformed::new(self.bucket_start(), true, TreeNodeRecursion::Jump))
            }
            _ => Ok(Transformed::no(node)),
        })?;
        Ok(mapped.data)
    }

    fn bucket(&self) -> Expr {
        Expr::Column(Column::from_name(self.rollup.bucket_column()))
    }

    fn bucket_date(&self) -> Expr {
        match self.rollup.grain() {
            Grain::Day => self.bucket(),
            Grain::Hour | Grain::QuarterHour => cast(self.bucket(), DataType::Date32),
        }
    }

    fn bucket_start(&self) -> Expr {
        match self.rollup.grain() {
            Grain::Day => {
                cast(self.bucket(), DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
            }
            Grain::Hour | Grain::QuarterHour => self.bucket(),
        }
    }
}

fn whole_buckets(spans: &Spans, grain: Grain) -> bool {
    let whole = |end: i64| [i64::MIN, i64::MAX].contains(&end) || end % grain.micros() == 0;
    spans.iter().all(|span| whole(span.start) && whole(span.end))
}

/// The condition that an instant lies within the spans.
pub(in crate::plan) fn within(instant: &Expr, spans: &Spans) -> Expr {
    let at = |micros| {
        Expr::Literal(ScalarValue::TimestampMicrosecond(Some(micros), Some("UTC".into())), None)
    };
    let inside = spans.iter().map(|span| {
        let from = (span.start > i64::MIN).then(|| instant.clone().gt_eq(at(span.start)));
        let to = (span.end < i64::MAX).then(|| instant.clone().lt(at(span.end)));
        match (from, to) {
            (Some(from), Some(to)) => from.and(to),
            (Some(end), None) | (None, Some(end)) => end,
            (None, None) => lit(true),
        }
    });
    disjunction(inside).unwrap_or_else(|| lit(false))
}

#[cfg(test)]
mod tests {
    use crate::plan::test_root::rewritten;

    #[test]
    fn a_bucket_of_time_is_made_of_finer_buckets() {
        let sql = "SELECT date_trunc('week', at) AS week, sum(cost) FROM calls GROUP BY 1";
        insta::assert_snapshot!(rewritten(sql), @r#"
        Sort: week ASC NULLS LAST, sum(calls.cost) ASC NULLS LAST
          Projection: date_trunc(Utf8("week"),calls.at) AS week, sum(calls.cost)
            Projection: group_0 AS date_trunc(Utf8("week"),calls.at), CAST(state_0 AS Decimal128(28, 12)) AS sum(calls.cost)
              Aggregate: groupBy=[[group_0]], aggr=[[sum(state_0) AS state_0]]
                Union
                  Union
                    Projection: CAST(date_trunc(Utf8("week"), CAST(daily.date AS Timestamp(µs, "UTC"))) AS Timestamp(µs, "UTC")) AS group_0, CAST(daily.cost_sum AS Decimal128(28, 12)) AS state_0
                      TableScan: daily
                    Projection: CAST(date_trunc(Utf8("week"), hourly.hour) AS Timestamp(µs, "UTC")) AS group_0, CAST(hourly.cost_sum AS Decimal128(28, 12)) AS state_0
                      TableScan: hourly
                  Projection: CAST(group_0 AS Timestamp(µs, "UTC")) AS group_0, CAST(state_0 AS Decimal128(28, 12)) AS state_0
                    Aggregate: groupBy=[[date_trunc(Utf8("week"), calls.at) AS group_0]], aggr=[[sum(calls.cost) AS state_0]]
                      TableScan: calls
        -- 10 days: 8 from daily, 1 from hourly, 1 raw (no segment)
        --   not paid: it is only of rows where paid = true; ask for those alone
        "#);
    }

    #[test]
    fn a_filter_on_a_column_that_is_no_dimension_refuses() {
        let sql = "SELECT sum(cost) FROM calls WHERE tokens > 5";
        insta::assert_snapshot!(rewritten(sql), @r"
        Sort: sum(calls.cost) ASC NULLS LAST
          Projection: sum(calls.cost)
            Aggregate: groupBy=[[]], aggr=[[sum(calls.cost)]]
              Filter: calls.tokens > Int64(5)
                TableScan: calls
        -- 10 days: 10 raw (no rollup serves)
        --   not daily: tokens is not a dimension; add it to dimensions
        --   not hourly: tokens is not a dimension; add it to dimensions
        --   not paid: it is only of rows where paid = true; ask for those alone
        ");
    }
}
