//! Random SQL over the default dataset, in shapes that the rewrite handles. Most queries use only
//! terms that some rollup has, and the rest use any terms.

use rand::{RngExt as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

/// Terms that a rollup can answer.
struct Theme {
    dimensions: &'static [&'static str],
    times: &'static [&'static str],
    measures: &'static [&'static str],
    filters: &'static [&'static str],
    /// Limits. A query always has one of them.
    limits: &'static [&'static str],
}

const EVERYDAY_MEASURES: &[&str] = &[
    "sum(l.cost)",
    "avg(l.cost)",
    "count(l.cost)",
    "sum(l.input_tokens)",
    "avg(l.input_tokens)",
    "sum(l.output_tokens)",
    "avg(l.cache_hit_rate)",
    "sum(coalesce(l.cost, 0))",
    "sum(l.cost * 1.19)",
    "sum(l.cost) * 2 + count(*)",
    "sum(CASE WHEN l.date > '2026-01-05' THEN l.cost ELSE 0 END)",
    "count(l.cost) FILTER (WHERE l.date <= '2026-01-09')",
    "sum(CAST(l.cached_tokens AS DECIMAL(25, 3)))",
];

const DAY_TIMES: &[&str] = &[
    "l.date",
    "date_trunc('day', l.timestamp)",
    "date_trunc('week', l.timestamp)",
    "date_trunc('month', l.timestamp)",
    "CAST(l.timestamp AS DATE)",
    "extract(dow FROM l.timestamp)",
    "extract(year FROM l.timestamp)",
    "to_char(l.date, '%Y-%m')",
    "date_bin(INTERVAL '3 days', l.timestamp)",
];

const HOUR_TIMES: &[&str] = &[
    "date_trunc('hour', l.timestamp)",
    "extract(hour FROM l.timestamp)",
    "date_bin(INTERVAL '4 hours', l.timestamp)",
    "date_trunc('day', l.timestamp AT TIME ZONE 'Europe/Berlin')",
    "extract(doy FROM l.timestamp AT TIME ZONE 'America/New_York')",
    "to_char(l.timestamp, '%d %H')",
    "l.date",
];

const QUARTER_TIMES: &[&str] = &[
    "date_bin(INTERVAL '15 minutes', l.timestamp)",
    "date_trunc('day', l.timestamp AT TIME ZONE 'Asia/Kathmandu')",
    "CAST(l.timestamp AT TIME ZONE 'Australia/Lord_Howe' AS DATE)",
    "extract(hour FROM l.timestamp AT TIME ZONE '+05:30')",
    "date_trunc('hour', l.timestamp)",
];

const THEMES: &[Theme] = &[
    Theme {
        dimensions: &["l.organization_id", "upper(l.organization_id)", "l.organization_id = 'a'"],
        times: DAY_TIMES,
        measures: EVERYDAY_MEASURES,
        filters: &[
            "l.organization_id = 'a'",
            "l.organization_id IN ('a', 'o''c', 'd,e')",
            "l.organization_id LIKE '%a%' OR l.date = '2026-01-07'",
            "l.organization_id IN (SELECT organization_id FROM plans WHERE seats > 1)",
            "NOT EXISTS (SELECT 1 FROM plans p2 WHERE p2.organization_id = l.organization_id)",
        ],
        limits: &[],
    },
    Theme {
        dimensions: &[
            "l.provider",
            "l.model",
            "l.operation",
            "l.status",
            "coalesce(l.operation, 'none')",
            "CASE WHEN l.status = 'ok' THEN 1 ELSE 0 END",
            "l.provider || l.status",
        ],
        times: DAY_TIMES,
        measures: EVERYDAY_MEASURES,
        filters: &[
            "l.status = 'ok'",
            "l.model IS NULL OR l.model = 'm1'",
            "l.operation = ''",
            "l.model LIKE 'm%' AND l.provider <> 'q'",
            "l.model IS DISTINCT FROM 'm2'",
            "l.model NOT IN ('m1', 'm_3')",
        ],
        limits: &[],
    },
    Theme {
        dimensions: &["l.organization_id", "l.model", "l.operation", "l.status", "length(l.model)"],
        times: HOUR_TIMES,
        measures: EVERYDAY_MEASURES,
        filters: &[
            "l.organization_id <> 'b'",
            "l.model = 'm1'",
            "l.timestamp >= '2026-01-02T13:00:00Z' AND l.timestamp < '2026-01-14T01:30:00Z'",
            "l.timestamp < '2026-01-04T00:20:00Z' OR l.timestamp >= '2026-01-06T07:00:00Z'",
            "extract(hour FROM l.timestamp) IN (0, 1, 23)",
        ],
        limits: &[],
    },
    Theme {
        dimensions: &["l.model", "l.status", "lower(l.model)"],
        times: QUARTER_TIMES,
        measures: &[
            "sum(l.cost)",
            "min(l.latency_ms)",
            "max(l.latency_ms)",
            "avg(l.latency_ms)",
            "stddev(l.latency_ms)",
            "var_pop(l.cost)",
            "var_samp(l.latency_ms)",
            "stddev_pop(l.cost)",
            "bit_or(l.output_tokens)",
            "bit_and(l.output_tokens)",
            "approx_distinct(l.user_id)",
            "approx_percentile(l.latency_ms, 0.5)",
            "approx_percentile(l.latency_ms, 0.9) FILTER (WHERE l.status = 'ok')",
            "max(CASE WHEN l.status = 'ok' THEN l.latency_ms END)",
        ],
        filters: &["l.model = 'm1'", "l.status <> 'ok'", "l.model IS NOT NULL"],
        limits: &[],
    },
    Theme {
        dimensions: &["l.user_id", "coalesce(l.user_id, '-')", "l.model"],
        times: DAY_TIMES,
        measures: &[
            "sum(l.input_tokens + l.output_tokens)",
            "avg(l.output_tokens + l.input_tokens)",
            "sum(l.input_tokens * l.cost)",
            "sum(coalesce(l.cost * l.input_tokens, 0))",
            "min(nullif(l.latency_ms, 0))",
            "count(nullif(l.latency_ms, 0))",
            "sum(l.cost)",
        ],
        filters: &["l.user_id IS NOT NULL", "l.model IN ('m1', 'm2')", "l.user_id <> 'u'"],
        limits: &[
            "l.status = 'error' AND l.cost > 0",
            "l.cost >= 0.5 AND l.status IN ('error')",
            "'error' = l.status AND l.cost = 7",
            "l.status = 'error' AND (l.cost > 9 OR l.cost BETWEEN 1 AND 5)",
        ],
    },
];

const ANY_MEASURES: &[&str] = &[
    "count(*)",
    "count(*)",
    "count(l.timestamp)",
    "min(l.date)",
    "max(l.date)",
    "sum(1)",
    "count(DISTINCT l.date)",
    "count(*) FILTER (WHERE l.date >= '2026-01-05')",
];

const ANY_FILTERS: &[&str] = &[
    "l.date BETWEEN '2026-01-02' AND '2026-01-13'",
    "l.date < '2026-01-11'",
    "l.timestamp > '2026-01-03T00:00:00Z'",
    "l.timestamp <= '2026-01-12T23:59:59.999999Z'",
    "date_trunc('month', l.timestamp) = '2026-01-01T00:00:00Z'",
    "extract(dow FROM l.date) IN (1, 2, 3)",
    "l.date IN ('2026-01-02', '2026-01-09', '2026-01-10')",
    "NOT (l.date = '2026-01-05')",
    "l.date <> '2026-01-06'",
    "extract(year FROM l.timestamp) = 2026",
    "l.date > '2026-02-01'",
];

/// Terms that no rollup serves.
const STRANGE: &[&str] = &["l.user_id", "l.cost > 1", "extract(minute FROM l.timestamp)"];

const STRANGE_MEASURES: &[&str] = &[
    "count(DISTINCT l.user_id)",
    "count(l.input_tokens + 1)",
    "min(l.cost)",
    "sum(l.cache_write_tokens)",
    "max(l.request_id)",
];

fn pick(random: &mut ChaCha8Rng, from: &[&str]) -> String {
    (*from.choose(random).unwrap()).to_owned()
}

fn some(random: &mut ChaCha8Rng, from: &[&str], most: usize) -> Vec<String> {
    let count = random.random_range(0..=most);
    let mut chosen: Vec<_> = (0..count).map(|_| pick(random, from)).collect();
    chosen.sort();
    chosen.dedup();
    chosen
}

/// A random query over the log and the tables `plans` and `units`.
pub(crate) fn random_query(random: &mut ChaCha8Rng) -> String {
    match random.random_range(0..12) {
        0 => format!(
            "WITH q AS ({}) SELECT count(*) AS n, max(c0) AS m FROM q",
            block(random, "ai_usage_log", true)
        ),
        1 => format!(
            "SELECT a.c0, b.c1 FROM ({}) a LEFT JOIN ({}) b ON a.c0 = b.c0",
            keyed(random),
            keyed(random)
        ),
        2 => format!("({}) UNION ALL ({})", keyed(random), keyed(random)),
        3 => format!(
            "SELECT c0, c1, rank() OVER (ORDER BY c1 DESC NULLS LAST, c0) AS r FROM ({})",
            keyed(random)
        ),
        4 => {
            let filter = pick(random, ANY_FILTERS).replace("l.", "");
            let from = format!("(SELECT * FROM ai_usage_log WHERE {filter})");
            block(random, &from, false)
        }
        5 => format!("SELECT DISTINCT {}", distinct(random)),
        _ => block(random, "ai_usage_log", false),
    }
}

/// A query for organizations and a sum of each.
fn keyed(random: &mut ChaCha8Rng) -> String {
    let measure = pick(random, &["sum(l.cost)", "count(*)", "sum(l.input_tokens)"]);
    let filter = pick(random, ANY_FILTERS);
    format!(
        "SELECT l.organization_id AS c0, {measure} AS c1 FROM ai_usage_log l WHERE {filter} GROUP BY 1"
    )
}

fn distinct(random: &mut ChaCha8Rng) -> String {
    let theme = THEMES.choose(random).unwrap();
    let mut terms = some(random, theme.dimensions, 2);
    terms.push(pick(random, theme.times));
    let named: Vec<_> = terms.iter().enumerate().map(|(at, t)| format!("{t} AS c{at}")).collect();
    format!("{} FROM ai_usage_log l", named.join(", "))
}

fn block(random: &mut ChaCha8Rng, from: &str, plain: bool) -> String {
    let theme = THEMES.choose(random).unwrap();
    let mut groups = some(random, theme.dimensions, 2);
    groups.extend(some(random, theme.times, 1));
    let mut values = some(random, theme.measures, 3);
    values.extend(some(random, ANY_MEASURES, 2));
    if random.random_ratio(1, 6) {
        let dimension = pick(random, theme.dimensions);
        values.push(format!("count(DISTINCT {dimension})"));
        values.push(format!("min({dimension})"));
    }
    let mut filters = some(random, ANY_FILTERS, 1);
    filters.extend(some(random, theme.filters, 1));
    filters.extend(theme.limits.choose(random).map(|limit| format!("({limit})")));
    if random.random_ratio(1, 12) {
        groups.push(pick(random, STRANGE));
    }
    if random.random_ratio(1, 12) {
        values.push(pick(random, STRANGE_MEASURES));
    }
    let mut from = format!("{from} l");
    let by_organization = theme.dimensions.contains(&"l.organization_id");
    let by_model = theme.dimensions.contains(&"l.model");
    if by_organization && random.random_ratio(1, 4) {
        let kind = pick(random, &["JOIN", "LEFT JOIN"]);
        from += &format!(" {kind} plans p ON l.organization_id = p.organization_id");
        groups.extend(some(random, &["p.plan", "p.seats > 1"], 1));
        values.extend(some(random, &["sum(p.seats)", "count(p.plan)", "max(p.plan)"], 2));
        filters.extend(some(random, &["p.seats < 10", "p.plan IS NOT NULL"], 1));
    } else if by_model && random.random_ratio(1, 5) {
        from += " LEFT JOIN units u ON l.model = u.model";
        values.extend(some(random, &["sum(l.cost * u.factor)", "sum(u.factor)"], 2));
    }
    if values.is_empty() {
        values.push("count(*)".to_owned());
    }
    groups.dedup();
    let named = |(at, text): (usize, &String)| format!("{text} AS c{at}");
    let columns: Vec<_> = groups.iter().chain(&values).enumerate().map(named).collect();
    let mut sql = format!("SELECT {} FROM {from}", columns.join(", "));
    if !filters.is_empty() {
        let filters: Vec<_> = filters.iter().map(|part| format!("({part})")).collect();
        sql += &format!(" WHERE {}", filters.join(" AND "));
    }
    let keys: Vec<_> = (1..=groups.len()).map(|at| at.to_string()).collect();
    if !groups.is_empty() {
        let keys = keys.join(", ");
        sql += &match random.random_range(0..10) {
            0 => format!(" GROUP BY ROLLUP ({})", groups.join(", ")),
            1 => format!(" GROUP BY CUBE ({})", groups.join(", ")),
            2 => format!(" GROUP BY GROUPING SETS (({}), ())", groups.join(", ")),
            _ => format!(" GROUP BY {keys}"),
        };
    }
    if random.random_ratio(1, 5) {
        sql += " HAVING count(*) > 2";
    }
    // Also with ties, and without any order, the answer must not depend on the route.
    match random.random_range(0..4) {
        0 if !plain => sql += &format!(" ORDER BY c{} DESC LIMIT 3", columns.len() - 1),
        1 if !plain => sql += " LIMIT 2",
        _ => {}
    }
    sql
}
