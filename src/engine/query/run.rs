//! From SQL to an answer: plan the SQL, take a snapshot, rewrite the plan, run it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use datafusion::{
    execution::SessionState,
    logical_expr::LogicalPlan,
    physical_plan::{ExecutionPlan, execute_stream},
};

use super::request::Query;
use crate::{
    base::{Day, Error, ErrorKind, Result, Route, Span},
    engine::{
        Answer, Explanation, Tallybook,
        query::{answer::Times, limits::Limits, plan_cache::CachedPlan, sources::RootSources, sql},
        tables,
    },
    exec::set_query_root,
    model::{Damage, Rollup, Snapshot},
    plan::{Decision, Rewriter, RouteTaken, analyze, optimize, spans_needed},
    store::{Root, Serving, load, load_more, lost_file, name_damage},
};

/// A query fails after this many snapshots of which a listed file was gone.
const LISTINGS_MAX: usize = 3;

/// Marks a `NotFound` error that a new snapshot can't cure, because the rows were purged.
#[derive(Debug)]
struct PurgedRows;

impl std::error::Error for PurgedRows {}

impl fmt::Display for PurgedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows were purged")
    }
}

fn is_final(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<PurgedRows>)
}

/// The inputs of planning.
#[derive(Clone, Copy)]
struct Planning<'a> {
    db: &'a Tallybook,
    /// The root, with the query's own request counter.
    root: &'a Root,
    /// The session that plans the query.
    state: &'a Arc<SessionState>,
    limits: &'a Limits,
}

/// A query that is ready to run.
struct Planned {
    physical: Arc<dyn ExecutionPlan>,
    decision: Arc<Decision>,
    /// The time of planning, without the waiting for listings.
    planning: Duration,
}

pub(crate) async fn answer(db: &Tallybook, query: &Query) -> Result<Answer> {
    let permit = db.permit()?;
    let (asked, root) = (Instant::now(), db.root_of_query());
    let limits = Limits::of(db.settings())?;
    let mut gone = 0;
    loop {
        let distrusted = db.root().distrusted_count();
        let error = match start(db, query, asked, &root, &limits).await {
            Ok(answer) => return Ok(answer.holding(permit)),
            Err(error) => error,
        };
        match error.kind() {
            // A file of the snapshot was deleted before it was read. Its replacement is there, so
            // a new snapshot can be read.
            ErrorKind::NotFound if !is_final(&error) => {
                gone += 1;
                if gone == LISTINGS_MAX {
                    let what = format!("{error}; the store listed it {gone} times");
                    return Err(Error::unavailable(what).with_source(error));
                }
                db.root().forget_listings();
            }
            // A hint that was found damaged is no longer used: the files that it was built from
            // answer.
            ErrorKind::Corrupt if db.root().distrusted_count() > distrusted => {}
            _ => return Err(error),
        }
    }
}

/// The answer with its first rows.
async fn start(
    db: &Tallybook,
    query: &Query,
    asked: Instant,
    root: &Root,
    limits: &Limits,
) -> Result<Answer> {
    let planned = limits.bound(Box::pin(plan(db, root, query, limits))).await?;
    let task = db.session().task_ctx();
    let stream = execute_stream(Arc::clone(&planned.physical), task)?;
    let times = Times { asked, planning: planned.planning };
    let answer = Answer::new(
        stream,
        planned.decision,
        planned.physical,
        times,
        root.clone(),
        limits.clone(),
    );
    answer.started().await
}

pub(crate) async fn explain(db: &Tallybook, query: &Query) -> Result<Explanation> {
    loop {
        let distrusted = db.root().distrusted_count();
        let explained = async {
            let limits = Limits::of(db.settings())?;
            let root = db.root_of_query();
            let planned = limits.bound(Box::pin(plan(db, &root, query, &limits))).await?;
            Explanation::counted(db, &planned.decision).await
        };
        match explained.await {
            // As in `answer`: a hint that was found damaged is no longer used.
            Err(error)
                if error.kind() == ErrorKind::Corrupt
                    && db.root().distrusted_count() > distrusted => {}
            explained => return explained,
        }
    }
}

async fn plan(db: &Tallybook, root: &Root, query: &Query, limits: &Limits) -> Result<Planned> {
    let start = Instant::now();
    let mut waited = Duration::ZERO;
    let mut state = tables::state(db, query.time_zone).await?;
    set_query_root(&mut state, root);
    limits.bound_planning(&mut state);
    let state = Arc::new(state);
    let planning = Planning { db, root, state: &state, limits };
    let known = db.plan_cache().find(query);
    let listed = match &known {
        Some(known) => Some((known.span, list_again(planning, known, &mut waited).await?)),
        None => None,
    };
    let (plan, decision) = match (known, listed) {
        (Some(known), Some((_, listed))) if listed == known.snapshot => {
            (known.plan.clone(), Arc::clone(&known.decision))
        }
        (_, listed) => plan_anew(planning, query, listed, &mut waited).await?,
    };
    for block in &decision.blocks {
        tracing::debug!(cover = %block.cover, refusals = ?block.refusals, "planned");
    }
    let physical = limits.aside(async move {
        let planner = Arc::clone(state.query_planner());
        planner.create_physical_plan(&plan, state.as_ref()).await.map_err(Error::from)
    });
    let physical = match physical.await {
        Ok(physical) => physical,
        Err(error) => return Err(name_damage(db.root(), error, decision.files_read()).await),
    };
    Ok(Planned { physical, decision, planning: start.elapsed().saturating_sub(waited) })
}

/// A new snapshot of the files that a cached plan depends on. Adds the time of listing to `waited`.
async fn list_again(
    Planning { db, root, .. }: Planning<'_>,
    known: &CachedPlan,
    waited: &mut Duration,
) -> Result<Snapshot> {
    let listing = Instant::now();
    let depends = |rollup: &&Rollup| known.rollups.iter().any(|name| name == rollup.name());
    let rollups: Vec<_> = db.dataset().all_rollups().filter(depends).collect();
    let snapshot = load(root, known.span, rollups, Serving::Months).await?;
    *waited += listing.elapsed();
    Ok(snapshot)
}

/// Plans the query anew, and caches the optimized plan. `listed` is a span and the part of its
/// snapshot that is already known. That part is not listed again.
async fn plan_anew(
    planning: Planning<'_>,
    query: &Query,
    listed: Option<(Span, Snapshot)>,
    waited: &mut Duration,
) -> Result<(LogicalPlan, Arc<Decision>)> {
    let Planning { db, state, limits, .. } = planning;
    let (session, sql, params) = (Arc::clone(state), query.sql.clone(), query.params.clone());
    let analyzed = limits.aside(async move {
        let plan = sql::plan_of(&session, &sql).await?;
        analyze(&session, &params, plan).map_err(Error::from)
    });
    let (analyzed, cacheable) = analyzed.await?;
    let decided = decide((db, planning.root), query.route, analyzed, listed).await?;
    *waited += decided.waited;
    let (session, rewritten) = (Arc::clone(state), decided.plan);
    let plan = limits.aside(async move { optimize(rewritten, &session).map_err(Error::from) });
    let plan = plan.await?;
    let decision = Arc::new(decided.decision);
    if cacheable {
        let (plan, decision) = (plan.clone(), Arc::clone(&decision));
        let cached = CachedPlan::new(decided.span, &decided.snapshot, plan, decision);
        db.plan_cache().insert(query, cached);
    }
    Ok((plan, decision))
}

/// A plan that reads the files of one snapshot.
pub(crate) struct Decided {
    pub(crate) plan: LogicalPlan,
    decision: Decision,
    span: Span,
    snapshot: Snapshot,
    /// The time of listing.
    waited: Duration,
}

/// Takes a snapshot and rewrites the plan for it. If `listed` is of the plan's span, only the rest
/// of the snapshot is listed.
///
/// # Errors
/// `Invalid` when the route is [`Route::Rollup`] and rollups can't answer; `NotFound` when the
/// query needs rows that were purged; `Corrupt` when the query needs a file that is lost; `Limit`
/// when it would read too many bytes; the day's damage when it needs a damaged day; any error from
/// the store; DataFusion's, for a malformed plan.
pub(crate) async fn decide(
    (db, root): (&Tallybook, &Root),
    route: Route,
    plan: LogicalPlan,
    listed: Option<(Span, Snapshot)>,
) -> Result<Decided> {
    let needed = spans_needed(&plan, db.dataset())?;
    let span = needed.hull();
    let listing = Instant::now();
    let snapshot = match listed {
        Some((listed_span, begun)) if listed_span == span => {
            load_more(root, span, begun, db.dataset().all_rollups(), Serving::Months).await?
        }
        _ => load(root, span, db.dataset().all_rollups(), Serving::Months).await?,
    };
    let waited = listing.elapsed();
    let is_needed = |(day, _): &(Day, &Damage)| needed.within(day.span()).next().is_some();
    if let Some((day, damage)) = snapshot.damaged(span).find(is_needed) {
        return Err(damage.to_error().about(format!("day {day} can't be read")));
    }
    let (plan, decision) = rewrite((db, root), route, &snapshot, plan)?;
    if route == Route::Rollup && decision.route() != RouteTaken::Rollup {
        let why = Explanation::brief(db, &decision);
        return Err(Error::invalid(format!("rollups alone can't answer this\n{why}")));
    }
    check_purged(db, &decision)?;
    check_lost(db, &snapshot, span, &decision)?;
    check_limit(db, &decision)?;
    Ok(Decided { plan, decision, span, snapshot, waited })
}

/// Checks that the query needs no raw rows that were purged. An answer without them would be wrong.
fn check_purged(db: &Tallybook, decision: &Decision) -> Result<()> {
    let days = decision.purged_days();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    let which = match days.len() {
        1 => format!("{first}"),
        count => format!("{count} days from {first} to {last}"),
    };
    let why = Explanation::brief(db, decision);
    Err(Error::not_found(format!(
        "the raw rows of {which} were purged, and what is left of them in rollups can't answer \
         this; ask for what a rollup keeps, or for days after {last}\n{why}"
    ))
    .with_source(PurgedRows))
}

/// Checks that the query reads no file that a manifest names and that is gone.
fn check_lost(db: &Tallybook, snapshot: &Snapshot, span: Span, decision: &Decision) -> Result<()> {
    let lost = |path| snapshot.live(span).any(|live| live.lost.contains(path));
    let read = decision.files_read().into_iter().map(|file| &file.location);
    match read.into_iter().find(|path| lost(path)) {
        None => Ok(()),
        Some(path) => Err(lost_file(db.root(), path)),
    }
}

fn check_limit(db: &Tallybook, decision: &Decision) -> Result<()> {
    let Some(limit) = db.settings().max_scan_bytes else { return Ok(()) };
    let bytes = decision.bytes();
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::limit(format!(
        "the {} files to read hold {bytes} bytes, more than the limit of {limit}; ask for fewer \
         days, or see --explain for why rollups don't serve",
        decision.files()
    )))
}

fn rewrite(
    (db, root): (&Tallybook, &Root),
    route: Route,
    snapshot: &Snapshot,
    plan: LogicalPlan,
) -> Result<(LogicalPlan, Decision)> {
    let sources = RootSources { root, dataset: db.dataset(), cache: db.segment_cache() };
    let rewriter = Rewriter {
        dataset: db.dataset(),
        snapshot,
        sources: &sources,
        route,
        min_span_days: db.settings().min_span_days,
    };
    rewriter.rewrite(plan).map_err(Error::from)
}
