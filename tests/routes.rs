//! The promise: whichever rollups exist, every answer is the same to the last byte.
//!
//! Random rows in random batches, a job that ran for some days and rollups, late batches, deleted
//! segments; then every report and random GROUP BY queries by both routes.

use std::{collections::BTreeMap, fs};

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use tallybook::{JobOptions, NamedQuery, Question, Route, Tallybook};

use crate::support::{Sandbox, answer, append, csv, day};

const ROOTS: usize = 10;
const QUERIES_PER_ROOT: usize = 25;
const DAYS: i32 = 16;

#[test]
fn no_answer_depends_on_which_rollups_exist() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let given = std::env::var("TALLYBOOK_TEST_SEED").ok();
    let seeds: Vec<u64> = match given {
        Some(seed) => vec![seed.parse().unwrap()],
        None => (0..ROOTS).map(|_| rand::random()).collect(),
    };
    let (mut asked, mut rewritten) = (0, 0);
    for seed in seeds {
        eprintln!("replay with TALLYBOOK_TEST_SEED={seed}");
        let (a, r) = runtime.block_on(one_root(seed));
        (asked, rewritten) = (asked + a, rewritten + r);
    }
    eprintln!("{asked} answers compared, {rewritten} of them from rollups");
    assert!(rewritten * 2 > asked, "a test that only reads raw tests nothing");
}

/// Compares the answers over one random root; gives how many, and how many used rollups.
async fn one_root(seed: u64) -> (usize, usize) {
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let sandbox = Sandbox::new();
    let book = sandbox.book("2026-01-20").await;
    let mut total = 0_i128;
    for batch in 0..random.random_range(3..8) {
        total += add_batch(&book, random, &format!("early-{batch}")).await;
    }
    some_rollups(&book, random).await;
    for batch in 0..random.random_range(0..4) {
        total += add_batch(&book, random, &format!("late-{batch}")).await;
    }
    some_rollups(&book, random).await;
    for segment in sandbox.files("rollups") {
        if random.random_ratio(1, 8) {
            fs::remove_file(segment).unwrap();
        }
    }
    check_total(&book, total).await;
    let mut questions = reports(&book);
    questions.extend((0..QUERIES_PER_ROOT).map(|_| Question::sql(random_query(random))));
    let mut rewritten = 0;
    for question in &questions {
        let (raw, _) = answer(&book, &question.clone().by_route(Route::Raw)).await;
        let (auto, stats) = answer(&book, question).await;
        assert_eq!(raw, auto, "seed {seed}: raw and auto differ for\n{question:?}");
        rewritten += usize::from(stats.route != "raw");
    }
    (questions.len(), rewritten)
}

/// The sum that this test made itself, of picodollars.
async fn check_total(book: &Tallybook, total: i128) {
    let (text, _) = csv(book, "SELECT sum(cost) AS c FROM ai_usage_log", Route::Auto).await;
    let digits: String = text.lines().nth(1).unwrap().chars().filter(|c| *c != '.').collect();
    assert_eq!(digits.parse::<i128>().unwrap_or_default(), total);
}

async fn add_batch(book: &Tallybook, random: &mut ChaCha8Rng, name: &str) -> i128 {
    let mut lines = String::new();
    let mut total = 0;
    let (first, width) = (random.random_range(0..DAYS), random.random_range(1..=DAYS));
    for row in 0..random.random_range(1..120) {
        let date = day("2026-01-01").plus((first + random.random_range(0..width)) % DAYS);
        // Often on the hour or the day's edge, where half-open matters.
        let within = *[0, 3_600_000_000, 86_399_999_999, random.random_range(0..86_400_000_000)]
            .choose(random)
            .unwrap();
        let cost: Option<i64> =
            *[None, Some(0), Some(random.random_range(-5..999_999_999_999_999))]
                .choose(random)
                .unwrap();
        total += i128::from(cost.unwrap_or_default());
        let pick =
            |random: &mut ChaCha8Rng, from: &[&str]| (*from.choose(random).unwrap()).to_owned();
        let tokens = |random: &mut ChaCha8Rng| {
            pick(random, &["null", "0", "1", "17", "4096", "-3", "900719925474099"])
        };
        let fields: BTreeMap<&str, String> = [
            ("timestamp", (date.start_micros() + within).to_string()),
            ("organization_id", pick(random, &["\"a\"", "\"b\"", "\"Ü\"", "\"o'c\"", "\"d,e\""])),
            ("user_id", pick(random, &["null", "\"u\"", "\"v\""])),
            ("operation", pick(random, &["null", "\"\"", "\"chat\"", "\"embed\""])),
            ("provider", pick(random, &["\"p\"", "\"q\""])),
            ("model", pick(random, &["null", "\"m1\"", "\"m2\"", "\"m_3\""])),
            ("status", pick(random, &["\"ok\"", "\"error\""])),
            ("input_tokens", tokens(random)),
            ("cached_tokens", tokens(random)),
            ("output_tokens", tokens(random)),
            ("latency_ms", tokens(random)),
            (
                "cost",
                cost.map_or("null".to_owned(), |cost| {
                    let sign = if cost < 0 { "-" } else { "" };
                    let cost = cost.unsigned_abs();
                    format!(
                        "\"{sign}{}.{:012}\"",
                        cost / 1_000_000_000_000,
                        cost % 1_000_000_000_000
                    )
                }),
            ),
            ("request_id", format!("\"{row}\"")),
        ]
        .into();
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        lines += &format!("{{{}}}\n", fields.join(","));
    }
    append(book, name, &lines).await;
    total
}

async fn some_rollups(book: &Tallybook, random: &mut ChaCha8Rng) {
    let mut names: Vec<_> = ["org_daily", "platform_daily", "org_hourly"].map(str::to_owned).into();
    names.retain(|_| random.random_ratio(4, 5));
    let from = day("2026-01-01").plus(random.random_range(0..DAYS / 3));
    let to = from.plus(random.random_range(DAYS / 2..DAYS));
    let options = JobOptions { from: Some(from), to: Some(to), names, dry_run: false };
    if !options.names.is_empty() {
        book.rollup(&options, |_, _| {}).await.unwrap();
    }
}

/// Every report, over long, short and open spans.
fn reports(book: &Tallybook) -> Vec<Question> {
    let mut questions = Vec::new();
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
            let top = [("usage_top", Some("organization")), ("usage_top", Some("model"))];
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
                let question = query.question(book.dataset(), &params, Route::Auto).unwrap();
                questions.push(question);
            }
        }
    }
    questions
}

fn random_query(random: &mut ChaCha8Rng) -> String {
    let some = |random: &mut ChaCha8Rng, from: &[&str], most: usize| -> Vec<String> {
        let count = random.random_range(0..=most);
        let mut chosen: Vec<_> =
            (0..count).map(|_| (*from.choose(random).unwrap()).to_owned()).collect();
        chosen.sort();
        chosen.dedup();
        chosen
    };
    let dimensions = [
        "organization_id",
        "operation",
        "model",
        "status",
        "provider",
        "date",
        "date_trunc('day', timestamp)",
        "date_trunc('hour', timestamp)",
        "date_trunc('week', timestamp)",
        "date_trunc('month', timestamp)",
        "extract(dow FROM timestamp)",
        "CAST(timestamp AS DATE)",
        "extract(doy FROM timestamp AT TIME ZONE 'Europe/Berlin')",
        "to_char(date, '%Y-%m')",
        "upper(model)",
        "CASE WHEN status = 'ok' THEN 1 ELSE 0 END",
        "coalesce(operation, 'none')",
    ];
    let aggregates = [
        "count(*)",
        "count(cost)",
        "sum(cost)",
        "avg(cost)",
        "sum(input_tokens)",
        "avg(input_tokens)",
        "avg(cache_hit_rate)",
        "sum(output_tokens)",
        "sum(cached_tokens) FILTER (WHERE organization_id <> 'b')",
        "count(*) FILTER (WHERE date >= '2026-01-05')",
        "avg(output_tokens) FILTER (WHERE organization_id LIKE '%a%')",
        "sum(cost) * 2 + count(*)",
    ];
    let rare =
        ["max(latency_ms)", "count(DISTINCT user_id)", "min(cost)", "count(input_tokens + 1)"];
    let filters = [
        "organization_id = 'a'",
        "organization_id IN ('a', 'o''c', 'd,e')",
        "organization_id <> 'b' OR date = '2026-01-07'",
        "organization_id LIKE '%a%'",
        "date BETWEEN '2026-01-02' AND '2026-01-13'",
        "date < '2026-01-11'",
        "timestamp >= '2026-01-02T13:00:00Z' AND timestamp < '2026-01-14T01:30:00Z'",
        "timestamp > '2026-01-03T00:00:00Z'",
        "timestamp <= '2026-01-12T23:59:59.999999Z'",
        "date_trunc('month', timestamp) = '2026-01-01T00:00:00Z'",
        "extract(dow FROM date) IN (1, 2, 3)",
        "date IN ('2026-01-02', '2026-01-09', '2026-01-10')",
        "NOT (date = '2026-01-05')",
        "date > '2026-02-01'",
    ];
    let rare_filters =
        ["model IS NULL", "operation = ''", "status = 'ok'", "user_id = 'u'", "cost > 1"];
    let groups = some(random, &dimensions[..], 3);
    let mut values = some(random, &aggregates[..], 4);
    if random.random_ratio(1, 8) {
        values.extend(some(random, &rare[..], 1));
    }
    if values.is_empty() {
        values.push("count(*)".to_owned());
    }
    let mut wheres = some(random, &filters[..], 2);
    if random.random_ratio(1, 3) {
        wheres.extend(some(random, &rare_filters[..], 1));
    }
    let named = |(at, text): (usize, &String)| format!("{text} AS c{at}");
    let columns: Vec<_> = groups.iter().chain(&values).enumerate().map(named).collect();
    let mut sql = format!("SELECT {} FROM ai_usage_log", columns.join(", "));
    if !wheres.is_empty() {
        let wheres: Vec<_> = wheres.iter().map(|part| format!("({part})")).collect();
        sql += &format!(" WHERE {}", wheres.join(" AND "));
    }
    if !groups.is_empty() {
        let keys: Vec<_> = (1..=groups.len()).map(|at| at.to_string()).collect();
        sql += &format!(" GROUP BY {}", keys.join(", "));
    }
    if random.random_ratio(1, 4) {
        sql += " HAVING count(*) > 2";
    }
    // Ties and no order at all must not show the route either.
    match random.random_range(0..4) {
        0 => sql += &format!(" ORDER BY c{} DESC LIMIT 3", columns.len() - 1),
        1 => sql += " LIMIT 2",
        _ => {}
    }
    sql
}
