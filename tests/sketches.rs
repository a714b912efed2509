//! Estimates: they don't depend on how rows were split, and are as exact as documented.

use proptest::prelude::*;
use tallybook::{Query, Route, Settings};

use crate::{
    shapes::rich_definition,
    support::{append, day, db_with, rollup, try_answer},
};

fn line(at: usize, days: i32, user: u64, latency: i64) -> String {
    let day = day("2026-01-01").plus(at as i32 % days);
    format!(
        "{{\"timestamp\":\"{day}T{:02}:{:02}:00Z\",\"organization_id\":\"o\",\"model\":\"m\",\"user_id\":\"user {user}\",\"latency_ms\":{latency}}}\n",
        at / 7 % 24,
        at % 60
    )
}

async fn estimates(batches: &[String]) -> Vec<f64> {
    let db = db_with("memory://", &rich_definition(), "2026-03-01", Settings::default()).await;
    for (at, batch) in batches.iter().enumerate() {
        append(&db, &format!("{at}"), batch).await;
        if at + 1 == batches.len() / 2 {
            rollup(&db).await;
        }
    }
    let sql = "SELECT approx_distinct(user_id) AS u, approx_percentile(latency_ms, 0.5) AS p50, \
               approx_percentile(latency_ms, 0.95) AS p95, approx_percentile(latency_ms, 1) AS top \
               FROM ai_usage_log";
    let query = Query::sql(sql);
    let (raw, _) = try_answer(&db, &query.clone().by_route(Route::Raw)).await.unwrap();
    let (auto, _) = try_answer(&db, &query).await.unwrap();
    assert_eq!(raw, auto);
    let values = auto.lines().nth(1).unwrap().split(',');
    values.map(|value| value.parse().unwrap_or(f64::NAN)).collect()
}

#[test]
fn estimates_are_near_and_order_free() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Below, at and above the sizes at which the sketch of distinct values changes its form.
    for users in [1_u64, 7, 8, 9, 400, 1_500, 12_000, 30_000] {
        let rows: Vec<_> = (0..users as usize)
            .map(|at| line(at, 20, at as u64, (at as i64 * 7_919) % 10_007 + 1))
            .collect();
        let one = runtime.block_on(estimates(&[rows.concat()]));
        let backwards: Vec<_> = rows.iter().rev().cloned().collect();
        let many = backwards.chunks(rows.len().div_ceil(5)).map(<[String]>::concat);
        let many = runtime.block_on(estimates(&many.collect::<Vec<_>>()));
        assert_eq!(one, many, "{users} users");
        // Three standard errors of 0.8 %.
        let off = (one[0] - users as f64).abs() / users as f64;
        assert!(off < 0.024, "{users} users: {}", one[0]);
        let mut latencies: Vec<_> =
            (0..users as i64).map(|at| ((at * 7_919) % 10_007 + 1) as f64).collect();
        latencies.sort_by(f64::total_cmp);
        for (estimate, quantile) in one[1..].iter().zip([0.5, 0.95, 1.0]) {
            let exact = latencies[(quantile * (latencies.len() - 1) as f64) as usize];
            let off = (estimate - exact).abs() / exact;
            assert!(off <= 0.010_001, "{users} users, {quantile}: {estimate} of {exact}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_split_estimates_the_same(
        rows in prop::collection::vec((0_u64..60, -50_i64..5_000_000), 1..120),
        cut in 0_usize..120,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let lines: Vec<_> =
            rows.iter().enumerate().map(|(at, (user, ms))| line(at, 9, *user, *ms)).collect();
        let (a, b) = lines.split_at(cut.min(lines.len()));
        let together = runtime.block_on(estimates(&[lines.concat()]));
        let batches: Vec<_> =
            [b, a].iter().filter(|part| !part.is_empty()).map(|part| part.concat()).collect();
        let apart = runtime.block_on(estimates(&batches));
        prop_assert_eq!(format!("{together:?}"), format!("{apart:?}"));
    }
}

#[tokio::test]
async fn a_wrong_quantile_is_told() {
    let db = db_with("memory://", &rich_definition(), "2026-03-01", Settings::default()).await;
    append(&db, "rows", &line(0, 1, 1, 1)).await;
    for sql in [
        "SELECT approx_percentile(latency_ms, 95) FROM ai_usage_log",
        "SELECT approx_percentile(latency_ms) FROM ai_usage_log",
        "SELECT approx_percentile(model, 0.5) FROM ai_usage_log",
        "SELECT approx_percentile(latency_ms, latency_ms) FROM ai_usage_log",
    ] {
        let error = try_answer(&db, &Query::sql(sql)).await.unwrap_err();
        assert_eq!(error.kind(), tallybook::ErrorKind::Invalid, "{sql}: {error}");
        let text = error.to_string();
        assert!(text.contains("quantile") || text.contains("approx_percentile"), "{sql}: {text}");
    }
}
