//! Shared by this folder's tests: snapshots in memory, and the rewritten plan of a query as text.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use arrow::datatypes::SchemaRef;
use datafusion::{
    execution::SessionStateBuilder,
    logical_expr::{LogicalPlan, TableSource, logical_plan::builder::LogicalTableSource},
    prelude::{SessionConfig, SessionContext},
};
use futures::executor::block_on;
use object_store::{ObjectMeta, path::Path};

use crate::{
    base::{Day, Result, Route},
    model::{
        BatchId, ContentHasher, Dataset, Fingerprint, Leaf, LeafDay, LeafId, LeafKind, Period,
        Rollup, SegmentFile, Snapshot, freshness, sketch,
    },
    plan::{DatasetTable, Decision, FileSources, Rewriter, analyze, spans_needed},
};

/// A file with the given name and size.
pub(super) fn file(name: &str, size: u64) -> ObjectMeta {
    ObjectMeta {
        location: Path::from(name),
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size,
        e_tag: None,
        version: None,
    }
}

/// A leaf of 100 bytes.
pub(super) fn leaf(day: Day, part: u32) -> Leaf {
    let content = ContentHasher::new().finish();
    let id = LeafId::of(&BatchId::try_new("test").unwrap(), 0, (day, part), &content, 0);
    Leaf { file: file(id.as_str(), 100), id, day, kind: LeafKind::Appended, remains: None }
}

/// A snapshot of the days from `first` on. `leaves[n]` is the number of leaves of the n-th day.
/// `built[rollup][n]` is the number of those leaves in the rollup's segment of that day; `None`
/// means no segment. A segment has 10 bytes.
pub(super) fn snapshot(
    dataset: &Dataset,
    first: Day,
    leaves: &[u32],
    built: &[Vec<Option<u32>>],
) -> Snapshot {
    let days: Vec<_> = (0..).zip(leaves).map(|(at, count)| (first.plus(at), *count)).collect();
    let live = |day: Day, count: u32| {
        let leaves = (0..count).map(|part| Arc::new(leaf(day, part)));
        LeafDay::new(day, leaves.collect())
    };
    let mut rollups = BTreeMap::new();
    for (rollup, built) in dataset.rollups().iter().zip(built) {
        let mut serving = BTreeMap::new();
        for ((day, count), held) in days.iter().zip(built) {
            let live = live(*day, *count);
            let held = live.leaves.iter().take(held.unwrap_or_default() as usize);
            let held: std::collections::BTreeSet<_> = held.map(|leaf| leaf.id.clone()).collect();
            if held.is_empty() {
                continue;
            }
            let segment = Arc::new(SegmentFile {
                period: Period::Day(*day),
                fingerprint: Fingerprint::of(&held),
                file: file(&format!("rollups/{}/{day}", rollup.name()), 10),
            });
            serving.insert(*day, freshness(&live, None, &[(segment, Some(held))], None));
        }
        rollups.insert(rollup.name().to_owned(), serving);
    }
    Snapshot::new(days.iter().map(|(day, count)| Arc::new(live(*day, *count))), rollups)
}

const CALLS: &str = r#"
name = "calls"
table = "calls"
time = "at"
sort = ["org", "at"]
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "org", type = "text", required = true },
  { name = "model", type = "text" },
  { name = "paid", type = "boolean" },
  { name = "tokens", type = "integer" },
  { name = "cost", type = "decimal(18,12)" },
  { name = "score", type = "float" },
]
[[rollup]]
name = "daily"
grain = "day"
dimensions = ["org", "model"]
measures = ["sum(tokens) as t", "count(tokens) as ct", "max(cost) as m", "sum(cost) as c", "count(*) as n"]
[[rollup]]
name = "hourly"
grain = "hour"
dimensions = ["model"]
measures = ["sum(cost) as c", "count(cost) as cc", "count(*) as n"]
[[rollup]]
name = "paid"
grain = "day"
dimensions = ["org"]
measures = ["sum(cost) as c", "count(*) as n"]
filter = "paid = true"
"#;

/// Tables without rows. In a plan only their names show.
struct Shown;

impl FileSources for Shown {
    fn raw(&self, _: &[Arc<Leaf>], _: &[Arc<Leaf>]) -> Arc<dyn TableSource> {
        table(calls().table_schema())
    }

    fn segments(&self, rollup: &Rollup, _: &[Arc<SegmentFile>]) -> Arc<dyn TableSource> {
        table(rollup.segment_schema())
    }
}

fn table(schema: SchemaRef) -> Arc<dyn TableSource> {
    Arc::new(LogicalTableSource::new(schema))
}

fn calls() -> Dataset {
    Dataset::parse(CALLS, "calls.toml").unwrap()
}

/// The rewritten plan of a query over `calls`, then the cover and the refusals of each block; or
/// the error. The snapshot has ten days from 2026-01-01 on. All segments are current, with two
/// exceptions: `daily` lacks the second leaf of 2026-01-03, and no rollup has 2026-01-07. There
/// is also a user's table, `plans` (org, budget).
pub(super) fn rewritten(sql: &str) -> String {
    match block_on(rewrite(sql)) {
        Ok((plan, decision)) => {
            let mut shown = plan.display_indent().to_string();
            for block in &decision.blocks {
                write!(shown, "\n-- {}", block.cover).unwrap();
                for (rollup, refusal) in &block.refusals {
                    write!(shown, "\n--   not {rollup}: {refusal}").unwrap();
                }
            }
            shown
        }
        Err(error) => format!("error: {error}"),
    }
}

async fn rewrite(sql: &str) -> Result<(LogicalPlan, Decision)> {
    let dataset = calls();
    let mut config = SessionConfig::new();
    config.options_mut().execution.time_zone = Some("UTC".to_owned());
    config.options_mut().sql_parser.parse_float_as_decimal = true;
    let state = SessionStateBuilder::new().with_config(config).with_default_features().build();
    let session = SessionContext::new_with_state(state);
    for function in sketch::aggregates() {
        session.register_udaf(function.as_ref().clone());
    }
    session.register_table("calls", Arc::new(DatasetTable::new(&dataset)))?;
    session.sql("CREATE TABLE plans (org TEXT, budget INT) AS VALUES ('a', 7)").await?;
    let state = session.state();
    let plan = state.create_logical_plan(sql).await?;
    let (plan, _) = analyze(&state, &[], plan)?;
    let first = "2026-01-01".parse()?;
    let mut leaves = [1; 10];
    leaves[2] = 2;
    let (mut daily, mut others) = (vec![Some(1); 10], vec![Some(1); 10]);
    (others[2], others[6], daily[6]) = (Some(2), None, None);
    let snapshot = snapshot(&dataset, first, &leaves, &[daily, others.clone(), others]);
    // As in use, the snapshot has the days that the plan needs, and no others.
    let needed = spans_needed(&plan, &dataset)?.hull();
    let snapshot = snapshot.within(needed);
    let rewriter = Rewriter {
        dataset: &dataset,
        snapshot: &snapshot,
        sources: &Shown,
        route: Route::Auto,
        min_span_days: 0,
    };
    Ok(rewriter.rewrite(plan)?)
}
