//! The promise: whichever rollups exist, every answer is the same to the last byte.
//!
//! A root has random rows in random batches, rollups of some days, late batches, and deleted
//! segments. Then every report runs by both routes, in more than one time zone.

use std::fs;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{NamedQuery, Query, Route, Tallybook};

use crate::support::{
    Sandbox, answer, csv,
    many::number,
    rows::{add_batch, some_rollups},
};

const ROOTS: usize = 4;

#[test]
fn no_answer_depends_on_which_rollups_exist() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seeds: Vec<u64> = match number("TALLYBOOK_TEST_SEED") {
        Some(seed) => vec![seed],
        None => (0..ROOTS).map(|_| rand::random()).collect(),
    };
    let (mut asked, mut rewritten) = (0, 0);
    for seed in seeds {
        eprintln!("replay with TALLYBOOK_TEST_SEED={seed}");
        let (a, r) = runtime.block_on(one_root(seed));
        (asked, rewritten) = (asked + a, rewritten + r);
    }
    eprintln!("{asked} answers compared, {rewritten} of them from rollups");
    assert!(rewritten * 4 > asked, "a test that only reads raw tests nothing");
}

/// Compares the answers over one random root. Gives the number of answers, and of those that used
/// rollups.
async fn one_root(seed: u64) -> (usize, usize) {
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let sandbox = Sandbox::new();
    let db = sandbox.db("2026-01-20").await;
    let mut total = 0_i128;
    for batch in 0..random.random_range(3..8) {
        total += add_batch(&db, random, &format!("early-{batch}")).await;
    }
    some_rollups(&db, random).await;
    for batch in 0..random.random_range(0..4) {
        total += add_batch(&db, random, &format!("late-{batch}")).await;
    }
    some_rollups(&db, random).await;
    for segment in sandbox.files("rollups") {
        if random.random_ratio(1, 8) {
            fs::remove_file(segment).unwrap();
        }
    }
    check_total(&db, total).await;
    let mut queries = reports(&db);
    for query in &mut queries {
        if random.random_ratio(1, 3) {
            query.time_zone = "America/New_York".parse().unwrap();
        }
    }
    let mut rewritten = 0;
    for query in &queries {
        let (raw, _) = answer(&db, &query.clone().by_route(Route::Raw)).await;
        let (auto, stats) = answer(&db, query).await;
        assert_eq!(raw, auto, "seed {seed}: raw and auto differ for\n{query:?}");
        rewritten += usize::from(stats.route != "raw");
    }
    (queries.len(), rewritten)
}

/// Compares the sum of costs with the sum that this test computed itself, in picodollars.
async fn check_total(db: &Tallybook, total: i128) {
    let (text, _) = csv(db, "SELECT sum(cost) AS c FROM ai_usage_log", Route::Auto).await;
    let digits: String = text.lines().nth(1).unwrap().chars().filter(|c| *c != '.').collect();
    assert_eq!(digits.parse::<i128>().unwrap_or_default(), total);
}

/// Queries for every report, over long, short and open spans.
fn reports(db: &Tallybook) -> Vec<Query> {
    let mut queries = Vec::new();
    for (from, to) in
        [("2026-01-01", "2026-01-31"), ("2026-01-03", "2026-01-12"), ("2026-01-04", "2026-01-06")]
    {
        for organization in [None, Some("a"), Some("nobody")] {
            let by = [
                "hour",
                "day",
                "week",
                "month",
                "year",
                "model",
                "operation",
                "user",
                "organization",
            ];
            let plain = [("usage_total", None)].into_iter();
            let each = by.iter().map(|by| ("usage_by", Some(*by)));
            let top = ["organization", "model", "day", "hour"].map(|by| ("usage_top", Some(by)));
            for (name, by) in plain.chain(each).chain(top) {
                let mut params: Vec<(String, Option<String>)> = vec![
                    ("from".into(), Some(from.into())),
                    ("to".into(), Some(to.into())),
                    ("organization".into(), organization.map(str::to_owned)),
                ];
                params.extend(by.map(|by| ("by".to_owned(), Some(by.to_owned()))));
                params.extend(
                    (name == "usage_top").then(|| ("top".to_owned(), Some("2".to_owned()))),
                );
                let query = NamedQuery::find(name).unwrap();
                let query = query.query(db.dataset(), &params, Route::Auto).unwrap();
                queries.push(query);
            }
        }
    }
    queries
}
