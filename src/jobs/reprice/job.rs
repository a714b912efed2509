//! Repricing: day by day, where the table changes something, then the rollups of those days anew.

use std::{collections::BTreeSet, sync::Arc};

use super::changes::{PriceChanges, PricedRows};
use crate::{
    base::{Day, Error, Result, Span},
    jobs::{
        JobContext, JobReport, JobSummary, Outcome,
        generation::rewrite::{Rewrite, Rewriting},
        report::{Plan, Reporter},
        rollup::rebuild,
    },
    model::{LeafDay, LeafKind, Pricing},
    prices::PriceTable,
};

/// The days to price anew, and the table.
#[derive(Clone, Debug)]
pub struct RepriceOptions {
    /// The first day; the root's first when `None`.
    pub from: Option<Day>,
    /// The last day; the root's last when `None`.
    pub to: Option<Day>,
    /// The table.
    pub prices: Arc<PriceTable>,
    /// Only report what would change.
    pub dry_run: bool,
}

/// Prices the rows of the days anew, but not those in files of other tools. Calls `report` for each
/// day on which something changes. Gives the changes, too.
///
/// # Errors
/// `Invalid` when the dataset has no computed prices; otherwise an error that stops the whole job.
/// A day that fails is a report instead.
pub(crate) async fn reprice(
    context: JobContext<'_>,
    options: &RepriceOptions,
    report: impl FnMut(&JobReport) + Send,
) -> Result<(JobSummary, PriceChanges)> {
    let pricing = context.dataset.pricing().ok_or_else(|| {
        let name = context.dataset.name();
        Error::invalid(format!("the definition `{name}` has no table [prices]"))
    })?;
    let mut reporter = Reporter::new(report);
    let span = Span::between(options.from, options.to);
    let snapshot = context.snapshot(span).await?;
    if !options.dry_run {
        context.definitions.ensure_current(context.root, context.staging).await?;
    }
    let (mut changes, mut changed) = (PriceChanges::new(), BTreeSet::new());
    for live in snapshot.live(span) {
        let day = live.day;
        let outcome = match reprice_day(context, live, (pricing, options), &mut changes).await {
            Ok(None) => continue,
            Ok(Some(outcome)) => outcome,
            Err(error) => Outcome::Failed(error.about(format!("day {day}"))),
        };
        if matches!(outcome, Outcome::Repriced { .. }) {
            changed.insert(day);
        }
        reporter.day(day, outcome);
    }
    reporter.unreadable_days(context.root, &snapshot, span);
    rebuild(context, &changed, &mut reporter).await?;
    Ok((reporter.finish(), changes))
}

/// Prices a day anew; `None` when nothing changes.
async fn reprice_day(
    context: JobContext<'_>,
    live: &LeafDay,
    (pricing, options): (&Pricing, &RepriceOptions),
    changes: &mut PriceChanges,
) -> Result<Option<Outcome>> {
    if live.is_purged() {
        return Ok(Some(Outcome::KeepsPrices));
    }
    if !live.lost.is_empty() {
        // The day is reported among those that can't be read.
        return Ok(None);
    }
    // Files of other tools are theirs, and so are the prices in them.
    let leaves = live.leaves.iter().filter(|leaf| leaf.kind != LeafKind::Foreign);
    let leaves: Vec<_> = leaves.cloned().collect();
    let table = options.prices.as_ref();
    let rows = PricedRows { context, live, leaves: &leaves, pricing, table };
    let mut of_day = PriceChanges::new();
    let Some(calls) = rows.add_changes(&mut of_day).await? else { return Ok(None) };
    let outcome = if options.dry_run {
        Outcome::Planned(Plan::Reprice { calls })
    } else {
        let rewriting = Rewriting::Price(pricing, table);
        match (Rewrite { context, live, leaves, rewriting }).run().await? {
            None => return Ok(Some(Outcome::Overtaken)),
            Some(_) => Outcome::Repriced { calls },
        }
    };
    for (of, change) in of_day {
        let sum = changes.entry(of).or_default();
        sum.calls += change.calls;
        sum.before += change.before;
        sum.after += change.after;
        sum.unpriced_before += change.unpriced_before;
        sum.unpriced_after += change.unpriced_after;
    }
    Ok(Some(outcome))
}
