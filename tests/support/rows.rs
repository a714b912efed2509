//! Random rows of the default dataset: NULLs, empty and foreign text, extremes, duplicates. Also
//! rollups with random holes.

use std::collections::BTreeMap;

use rand::{RngExt as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{RollupOptions, Tallybook};

use super::{append, day};

/// The number of days that rows fall on, from 2026-01-01.
pub(crate) const DAYS: i32 = 16;

/// Appends a random batch. Gives the sum of its costs, in picodollars.
pub(crate) async fn add_batch(db: &Tallybook, random: &mut ChaCha8Rng, name: &str) -> i128 {
    let mut lines = String::new();
    let mut total = 0;
    let (first, width) = (random.random_range(0..DAYS), random.random_range(1..=DAYS));
    for row in 0..random.random_range(1..120) {
        let date = day("2026-01-01").plus((first + random.random_range(0..width)) % DAYS);
        // Often exactly on an hour or at the edge of a day: these times show whether spans are
        // half-open.
        let within = *[0, 3_600_000_000, 86_399_999_999, random.random_range(0..86_400_000_000)]
            .choose(random)
            .unwrap();
        let cost: Option<i64> =
            *[None, Some(0), Some(random.random_range(-5..999_999_999_999_999))]
                .choose(random)
                .unwrap();
        let line = line(random, date.start_micros() + within, cost, row);
        // Duplicate rows within a batch both count.
        for _ in 0..random.random_range(1..=2) {
            total += i128::from(cost.unwrap_or_default());
            lines += &line;
        }
    }
    append(db, name, &lines).await;
    total
}

fn line(random: &mut ChaCha8Rng, micros: i64, cost: Option<i64>, row: i32) -> String {
    let pick = |random: &mut ChaCha8Rng, from: &[&str]| (*from.choose(random).unwrap()).to_owned();
    let tokens = |random: &mut ChaCha8Rng| {
        pick(random, &["null", "0", "1", "17", "4096", "-3", "900719925474099"])
    };
    let fields: BTreeMap<&str, String> = [
        ("timestamp", micros.to_string()),
        ("organization_id", pick(random, &["\"a\"", "\"b\"", "\"Ü\"", "\"o'c\"", "\"d,e\""])),
        ("user_id", pick(random, &["null", "\"u\"", "\"v\"", "\"日本\""])),
        ("operation", pick(random, &["null", "\"\"", "\"chat\"", "\"embed\""])),
        ("provider", pick(random, &["\"p\"", "\"q\""])),
        ("model", pick(random, &["null", "\"m1\"", "\"m2\"", "\"m_3\""])),
        ("status", pick(random, &["\"ok\"", "\"error\""])),
        ("input_tokens", tokens(random)),
        ("cached_tokens", tokens(random)),
        ("output_tokens", tokens(random)),
        ("latency_ms", tokens(random)),
        ("cost", cost.map_or("null".to_owned(), picodollars)),
        ("request_id", format!("\"{row}\"")),
    ]
    .into();
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}\n", fields.join(","))
}

fn picodollars(cost: i64) -> String {
    let sign = if cost < 0 { "-" } else { "" };
    let cost = cost.unsigned_abs();
    format!("\"{sign}{}.{:012}\"", cost / 1_000_000_000_000, cost % 1_000_000_000_000)
}

/// Builds some rollups, for some of the days.
pub(crate) async fn some_rollups(db: &Tallybook, random: &mut ChaCha8Rng) {
    let names = db.dataset().rollups().iter().map(|rollup| rollup.name().to_owned());
    let names: Vec<_> = names.filter(|_| random.random_ratio(4, 5)).collect();
    let from = day("2026-01-01").plus(random.random_range(0..DAYS / 3));
    let to = from.plus(random.random_range(DAYS / 2..DAYS));
    let options =
        RollupOptions { from: Some(from), to: Some(to), names, ..RollupOptions::default() };
    if !options.names.is_empty() {
        db.rollup(&options, |_| {}).await.unwrap().into_result().unwrap();
    }
}
