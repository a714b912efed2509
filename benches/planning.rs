//! The cost of planning: a query over a year of days, by both routes. For comparison, DataFusion
//! alone plans the same SQL over a table without files.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use tallybook::{
    AppendOptions, Day, FixedClock, Input, Query, RollupOptions, Route, SampleLog, Settings,
    Tallybook,
    datafusion::{datasource::empty::EmptyTable, prelude::SessionContext},
};
use tokio::runtime::Runtime;

const SQL: &str = "SELECT organization_id, sum(cost) AS cost, count(*) AS calls, avg(input_tokens) AS tokens \
                   FROM ai_usage_log WHERE date BETWEEN '2025-01-01' AND '2025-12-31' \
                   GROUP BY 1 ORDER BY 2 DESC LIMIT 10";

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

async fn year() -> Tallybook {
    let clock = Arc::new(FixedClock::noon_of(day("2026-01-01")));
    let db = Tallybook::builder("memory://")
        .settings(Settings::default())
        .clock(clock)
        .create()
        .await
        .unwrap();
    let log = SampleLog { seed: 1, organizations: 20, rows_per_hour: 30 };
    let lines: String = (0..365).map(|at| log.hour(day("2025-01-01").plus(at), 12)).collect();
    let input = Input::bytes("year.ndjson", lines);
    db.append(vec![input], AppendOptions::default()).await.unwrap();
    db.rollup(&RollupOptions::default(), |_| {}).await.unwrap().into_result().unwrap();
    db
}

fn planning(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let db = runtime.block_on(year());
    let ask = |route| {
        let query = Query::sql(SQL).by_route(route);
        runtime.block_on(async { db.query(&query).await.unwrap() })
    };
    let rows = |route| runtime.block_on(ask(route).collect()).unwrap();
    let ((raw, _), (rolled, stats)) = (rows(Route::Raw), rows(Route::Rollup));
    assert_eq!(raw, rolled);
    assert_eq!((stats.rollup_days, stats.raw_days), (365, 0));

    let engine = SessionContext::new();
    let table = Arc::new(EmptyTable::new(db.dataset().table_schema()));
    engine.register_table("ai_usage_log", table).unwrap();

    let mut group = c.benchmark_group("planning");
    group.bench_function("engine_alone", |b| {
        b.iter(|| {
            runtime.block_on(async {
                engine.sql(SQL).await.unwrap().create_physical_plan().await.unwrap()
            })
        });
    });
    for route in [Route::Raw, Route::Rollup] {
        // The query is executed, but only its planning time is measured.
        group.bench_function(format!("{route}_of_a_year"), |b| {
            b.iter_custom(|times| {
                let planning = (0..times).map(|_| rows(route).1.planning_ms / 1e3);
                Duration::from_secs_f64(planning.sum())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
