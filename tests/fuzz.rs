//! Random queries over random roots, by both routes: the answers are equal to the last byte.
//!
//! `TALLYBOOK_FUZZ_QUERIES=10000` runs more queries. `TALLYBOOK_TEST_SEED` replays one root.

use std::fs;

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{Query, Route, Settings, Tallybook};

use crate::{
    shapes::rich_definition,
    support::{
        Sandbox, db_with,
        grammar::random_query,
        many::number,
        rows::{add_batch, some_rollups},
        try_answer,
    },
};

const QUERIES_PER_ROOT: usize = 100;

/// The outcomes of a root's queries.
#[derive(Debug, Default)]
struct Tally {
    asked: usize,
    rewritten: usize,
    /// Queries that the engine itself refuses, by both routes alike.
    unplanned: Vec<String>,
}

#[test]
fn random_questions_have_one_answer() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let queries = number("TALLYBOOK_FUZZ_QUERIES").unwrap_or(400);
    let roots = queries.div_ceil(QUERIES_PER_ROOT as u64);
    let seeds: Vec<u64> = match number("TALLYBOOK_TEST_SEED") {
        Some(seed) => vec![seed],
        None => (0..roots).map(|_| rand::random()).collect(),
    };
    let mut tally = Tally::default();
    for seed in seeds {
        eprintln!("replay with TALLYBOOK_TEST_SEED={seed}");
        runtime.block_on(one_root(seed, &mut tally));
    }
    let (asked, unplanned) = (tally.asked, tally.unplanned.len());
    eprintln!("{asked} asked, {} from rollups, {unplanned} not planned", tally.rewritten);
    eprintln!("{}", tally.unplanned.join("\n"));
    assert!(tally.rewritten * 2 > asked, "a test that only reads raw tests nothing");
    assert!(unplanned * 50 <= asked, "a test of errors tests nothing");
}

async fn one_root(seed: u64, tally: &mut Tally) {
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let sandbox = Sandbox::new();
    let db = random_root(&sandbox, random).await;
    for _ in 0..QUERIES_PER_ROOT {
        let sql = random_query(random);
        let zones =
            ["UTC", "UTC", "UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "-03:00"];
        let zone = zones.choose(random).unwrap().parse().unwrap();
        let query = Query::sql(sql.clone()).in_time_zone(zone);
        let raw = try_answer(&db, &query.clone().by_route(Route::Raw)).await;
        let auto = try_answer(&db, &query).await;
        tally.asked += 1;
        match (raw, auto) {
            (Ok((raw, _)), Ok((auto, stats))) => {
                assert_eq!(raw, auto, "seed {seed}, zone {zone}: raw and auto differ for\n{sql}");
                tally.rewritten += usize::from(stats.rollup_days > 0);
            }
            (Err(raw), Err(auto)) => {
                assert_eq!(
                    raw.kind(),
                    auto.kind(),
                    "seed {seed}, zone {zone}\n{sql}\n{raw}\n{auto}"
                );
                tally.unplanned.push(format!("{raw}\n{sql}"));
            }
            (Ok(_), Err(error)) => {
                panic!("seed {seed}, zone {zone}: only auto fails\n{sql}\n{error}")
            }
            (Err(error), Ok(_)) => {
                panic!("seed {seed}, zone {zone}: only raw fails\n{sql}\n{error}")
            }
        }
    }
}

/// A root with some batches, some rollups, and late batches. Some segments are deleted.
async fn random_root(sandbox: &Sandbox, random: &mut ChaCha8Rng) -> Tallybook {
    let root = sandbox.root();
    // With a small minimum span, rollups also answer queries over few days.
    let settings = Settings { min_span_days: random.random_range(0..8), ..Settings::default() };
    let db = db_with(root.to_str().unwrap(), &rich_definition(), "2026-01-20", settings).await;
    for batch in 0..random.random_range(3..8) {
        add_batch(&db, random, &format!("early-{batch}")).await;
    }
    some_rollups(&db, random).await;
    for batch in 0..random.random_range(0..3) {
        add_batch(&db, random, &format!("late-{batch}")).await;
    }
    some_rollups(&db, random).await;
    for segment in sandbox.files("rollups") {
        if random.random_ratio(1, 10) {
            fs::remove_file(segment).unwrap();
        }
    }
    let plans = "organization_id,plan,seats,rate\na,pro,10,1.5\nb,free,1,0.1\nb,trial,2,0.2\nzz,pro,3,9.9\nÜ,,4,2.0\n";
    let plans = sandbox.write("plans.csv", plans);
    db.register_file("plans", &plans).await.unwrap();
    let units = sandbox.write("units.csv", "model,factor\nm1,2\nm2,3\nm1,4\n,5\n");
    db.register_file("units", &units).await.unwrap();
    db
}
