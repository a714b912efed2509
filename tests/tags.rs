//! Tags: text to text, however logs write them, grouped by any of them, also from rollups.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tallybook::DEFAULT_DEFINITION;

use crate::support::Sandbox;

fn answer(sandbox: &Sandbox, sql: &str, route: &str) -> (String, String) {
    let ran = sandbox.run(&["query", sql, "--format", "csv", "--route", route, "--stats"]).ok();
    (ran.out, ran.err)
}

/// The default definition, with a rollup by two tags.
fn with_rollup() -> String {
    DEFAULT_DEFINITION.to_owned()
        + "[[rollup]]\nname = \"teams\"\ngrain = \"day\"\n\
           dimensions = [\"tags['team']\", \"model\", \"tags['env']\"]\n\
           measures = [\"sum(input_tokens) as i\", \"count(*) as n\"]\n"
}

#[test]
fn any_tag_groups_and_filters_by_both_routes() {
    for seed in 0..2 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sandbox = Sandbox::new();
        let definition = sandbox.write("d.toml", with_rollup());
        sandbox.run(&["init", definition.to_str().unwrap()]).ok();
        let mut expected: BTreeMap<String, (u64, u64)> = BTreeMap::new();
        for batch in 0..4 {
            let mut lines = String::new();
            for _ in 0..60 {
                let team = ["red", "it's", "ü", ""][random.random_range(0..4)];
                let (day, tokens) = (random.random_range(1..15), random.random_range(0..100_u64));
                let tags = match random.random_range(0..4) {
                    0 => format!("{{\"team\":\"{team}\",\"env\":\"prod\"}}"),
                    1 => format!("{{\"env\":\"dev\",\"team\":\"{team}\",\"n\":7}}"),
                    2 if !team.is_empty() => format!("[\"beta\",\"team:{team}\"]"),
                    _ => "null".to_owned(),
                };
                let named = tags != "null";
                lines += &format!(
                    "{{\"timestamp\":\"2026-01-{day:02}T10:00:00Z\",\"organization_id\":\"a\",\
                     \"model\":\"m\",\"input_tokens\":{tokens},\"tags\":{tags}}}\n"
                );
                let team = if named { team } else { "-" };
                let sum = expected.entry(team.to_owned()).or_default();
                *sum = (sum.0 + tokens, sum.1 + 1);
            }
            sandbox.run_with(&["append"], lines.as_bytes()).ok();
            if batch < 3 {
                sandbox.run(&["rollup"]).ok();
            }
        }
        let sql = "SELECT coalesce(tags['team'], '-') AS team, sum(input_tokens) AS i, \
                   count(*) AS n FROM ai_usage_log GROUP BY 1 ORDER BY 1";
        let (raw, _) = answer(&sandbox, sql, "raw");
        let (auto, stats) = answer(&sandbox, sql, "auto");
        assert_eq!(auto, raw);
        assert!(stats.contains("\"route\":\"mixed\""), "{stats}");
        let found: BTreeMap<String, (u64, u64)> = raw
            .lines()
            .skip(1)
            .map(|line| {
                let mut cells = line.rsplitn(3, ',');
                let [n, i] = [(); 2].map(|()| cells.next().unwrap().parse().unwrap());
                (cells.next().unwrap().to_owned(), (i, n))
            })
            .collect();
        assert_eq!(found, expected, "seed {seed}");
        sandbox.run(&["rollup"]).ok();
        for sql in [
            sql,
            "SELECT count(*) FROM ai_usage_log WHERE tags['env'] = 'prod' AND tags['team'] <> 'red'",
            "SELECT upper(tags['env']), tags['team'], sum(input_tokens) FROM ai_usage_log \
             GROUP BY 1, 2 ORDER BY 1, 2",
            "SELECT count(DISTINCT tags['team']), sum(input_tokens) FILTER (WHERE tags['env'] IS NULL) \
             FROM ai_usage_log",
        ] {
            let (auto, stats) = answer(&sandbox, sql, "auto");
            assert_eq!(auto, answer(&sandbox, sql, "raw").0, "{sql}");
            assert!(stats.contains("\"route\":\"rollup\""), "{sql}: {stats}");
        }
        let other = "SELECT tags['n'], count(*) FROM ai_usage_log GROUP BY 1 ORDER BY 1";
        let explained = sandbox.run(&["query", other, "--explain"]).ok().out;
        assert!(explained.contains("teams: tags['n'] is not a dimension"), "{explained}");
        sandbox.run(&["compact"]).ok();
        sandbox.run(&["purge", "--older-than", "30d"]).ok();
        assert_eq!(answer(&sandbox, sql, "auto").0, raw);
        sandbox.run(&["query", other]).failed(4, "were purged");
        sandbox.run(&["verify"]).ok();
    }
}

#[test]
fn tags_of_csv_and_of_reports() {
    let sandbox = Sandbox::new();
    let csv = "timestamp,organization_id,cost,tags\n\
               2026-01-01T10:00:00Z,a,1.5,\"{\"\"team\"\":\"\"red\"\"}\"\n\
               2026-01-01T11:00:00Z,a,2.5,\n\
               2026-01-01T12:00:00Z,a,4.5,\"[\"\"team:red\"\"]\"\n";
    let file = sandbox.write("t.csv", csv);
    sandbox.run(&["append", file.to_str().unwrap()]).ok();
    let span = ["--from", "2026-01-01", "--to", "2026-01-01", "--format", "csv"];
    for by in ["tags.team", "tags['team']"] {
        let ran = sandbox.run(&[["usage", "org", "a", "--by", by].as_slice(), &span].concat());
        let rows: Vec<_> =
            ran.ok().out.lines().map(|line| line.chars().take(15).collect()).collect();
        let rows: Vec<String> = rows;
        assert!(rows[0].starts_with("tags.team,tota"), "{rows:?}");
        assert!(rows[1].starts_with("red,6.0") && rows[2].starts_with(",2.5"), "{rows:?}");
    }
    let bad =
        "{\"timestamp\":\"2026-01-01T10:00:00Z\",\"organization_id\":\"a\",\"tags\":\"{x\"}\n";
    let ran = sandbox.run_with(&["append"], bad.as_bytes());
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("tags: is not a JSON object or list of tags"), "{}", ran.err);
}

#[test]
fn names_in_joined_tables_and_in_dimensions() {
    let sandbox = Sandbox::new();
    let rows = "{\"timestamp\":\"2026-01-01T10:00:00Z\",\"organization_id\":\"a\",\"project\":\"{\\\"k\\\":\\\"v\\\"}\",\"tags\":{\"team\":\"red\"}}\n";
    sandbox.run_with(&["append"], rows.as_bytes()).ok();
    sandbox.run(&["rollup"]).ok();
    let plans = sandbox.write("o.csv", "org,tags\na,\"{\"\"team\"\":\"\"x\"\"}\"\n");
    let table = format!("o={}", plans.display());
    let sql = "SELECT o.tags['team'] AS t, project['k'] AS k, count(*) AS n FROM ai_usage_log l \
               JOIN o ON l.organization_id = o.org GROUP BY 1, 2";
    let args = ["query", "--table", &table, sql, "--format", "csv", "--set", "rollup.min_span=0"];
    let ran = sandbox.run(&[args.as_slice(), &["--stats"]].concat()).ok();
    assert_eq!(ran.out, "t,k,n\nx,v,1\n");
    assert!(ran.err.contains("\"route\":\"rollup\""), "{}", ran.err);
}

#[test]
fn only_tags_have_names() {
    let sandbox = Sandbox::new();
    for (dimension, reason) in [
        ("model['x']", "there is no column `model` of type tags"),
        ("tags", "`tags` is of type tags; a dimension is text"),
    ] {
        let text = with_rollup().replace("tags['team']", dimension);
        let file = sandbox.write("d.toml", text);
        sandbox.run(&["init", file.to_str().unwrap()]).failed(3, reason);
    }
    sandbox.run(&["init"]).ok();
    for sql in ["SELECT input_tokens['x'] FROM ai_usage_log", "SELECT tags[1] FROM ai_usage_log"] {
        sandbox.run(&["query", sql]).failed(3, "a name in quotes: tags['team']");
    }
}
