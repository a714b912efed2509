//! Costs by a price table: computed once a call, kept by copies and retries, and computed anew only
//! when somebody asks for it.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::support::{Ran, Sandbox};

/// A table in LiteLLM's shape: `m-1` and `m-2`, at these micro-dollars for a token of input.
fn table(sandbox: &Sandbox, name: &str, rates: &[(&str, u64)]) -> String {
    let models = rates.iter().map(|(model, rate)| {
        format!(
            "\"{model}\": {{\"input_cost_per_token\": {rate}e-6, \"output_cost_per_token\": \
             {rate}e-5, \"cache_read_input_token_cost\": {rate}e-7, \"litellm_provider\": \"p\"}}"
        )
    });
    let text = format!("{{{}}}", models.collect::<Vec<_>>().join(","));
    sandbox.write(name, text).to_str().unwrap().to_owned()
}

/// A row: event, day of January 2026, model, all input tokens, cached ones, and output tokens.
type Row = (u32, u32, &'static str, u64, u64, u64);

fn write(sandbox: &Sandbox, name: &str, rows: &[Row]) -> String {
    let text = rows.iter().fold(String::new(), |mut text, row| {
        let (event, day, model, input, cached, output) = row;
        writeln!(
            text,
            "{{\"timestamp\":\"2026-01-{day:02}T10:00:00Z\",\"organization_id\":\"acme\",\
             \"event_id\":\"e{event}\",\"model\":\"{model}\",\"input_tokens\":{input},\
             \"cached_tokens\":{cached},\"output_tokens\":{output}}}"
        )
        .unwrap();
        text
    });
    sandbox.write(name, text).to_str().unwrap().to_owned()
}

/// The cost of a row in units of 10⁻⁷ dollars.
fn cost((_, _, _, input, cached, output): &Row, rate: u64) -> u64 {
    rate * ((input - cached) * 10 + cached + output * 100)
}

/// One row of figures, by both routes. They must agree.
fn figures(sandbox: &Sandbox, select: &str) -> String {
    let sql = format!("SELECT {select} FROM ai_usage_log");
    let by = |route| {
        let ran = sandbox.run(&["query", &sql, "--format", "csv", "--route", route]);
        ran.ok().out.lines().nth(1).unwrap().to_owned()
    };
    let raw = by("raw");
    assert_eq!(by("auto"), raw, "{select}");
    raw
}

fn dollars(cost: u64) -> String {
    format!("{}.{:07}00000", cost / 10_000_000, cost % 10_000_000)
}

fn append(sandbox: &Sandbox, file: &str, prices: &str, more: &[&str]) -> Ran {
    let args = [["append", file, "--prices", prices].as_slice(), more].concat();
    sandbox.run(&args).ok()
}

#[test]
fn calls_are_priced_and_what_has_no_price_is_named() {
    let sandbox = Sandbox::new();
    let prices = table(&sandbox, "prices.json", &[("m-1", 2)]);
    let rows = [(1, 1, "m-1", 100, 40, 5), (2, 1, "m-9", 10, 0, 5), (3, 1, "m-1", 10, 20, 5)];
    let file = write(&sandbox, "rows.ndjson", &rows);
    let dry = append(&sandbox, &file, &prices, &["--dry-run"]);
    for told in [dry.err, append(&sandbox, &file, &prices, &[]).err] {
        let expected = "; 2 rows have no price (1: model `m-9` is not in the price table; \
                        1: token counts that contradict each other)";
        assert!(told.contains("priced 1 row by prices.json@"), "{told}");
        assert!(told.contains(expected), "{told}");
    }
    // 60 tokens at 2 micro-dollars, 40 at a tenth of it, and 5 at the tenfold.
    let select = "sum(cost_priced), sum(cost_uncached), count(cost_priced), count(price_table), \
                  count(*), count(cost)";
    let expected = "0.000228000000,0.000300000000,1,1,3,0";
    assert_eq!(figures(&sandbox, select), expected);
    sandbox.run(&["rollup"]).ok();
    assert_eq!(figures(&sandbox, select), expected);
    let usage = ["usage", "org", "acme", "--from", "2026-01-01", "--to", "2026-01-01"];
    let usage = sandbox.run(&[usage.as_slice(), &["--format", "csv"]].concat()).ok();
    assert!(usage.out.trim_end().ends_with("0.000228000000,1"), "{}", usage.out);
}

#[test]
fn a_retry_under_another_table_changes_nothing() {
    let sandbox = Sandbox::new();
    let first = table(&sandbox, "first.json", &[("m-1", 2)]);
    let second = table(&sandbox, "second.json", &[("m-1", 3)]);
    let file = write(&sandbox, "rows.ndjson", &[(1, 1, "m-1", 100, 0, 0)]);
    append(&sandbox, &file, &first, &["--batch", "b"]);
    let again = append(&sandbox, &file, &second, &["--batch", "b"]);
    assert!(again.err.contains("was appended before; nothing changed"), "{}", again.err);
    assert_eq!(figures(&sandbox, "sum(cost_priced), count(*)"), "0.000200000000,1");
    sandbox.run(&["verify"]).ok();
}

/// A transcript is appended anew each night, and one night the program has a newer table.
#[test]
fn a_copy_under_a_newer_table_keeps_the_price() {
    for flip in [false, true] {
        let sandbox = Sandbox::new();
        let old = table(&sandbox, "2026-01.json", &[("m-1", 2)]);
        let new = table(&sandbox, "2026-02.json", &[("m-1", 3), ("m-2", 4)]);
        let file =
            write(&sandbox, "1.ndjson", &[(1, 1, "m-1", 100, 0, 0), (2, 1, "m-2", 50, 0, 0)]);
        let (one, two) = if flip { (&new, &old) } else { (&old, &new) };
        append(&sandbox, &file, one, &[]);
        sandbox.run(&["rollup"]).ok();
        append(&sandbox, &file, two, &[]);
        let expected = "0.000400000000,2,2";
        // The call that the older table doesn't know has the newer one's price.
        let select = "sum(cost_priced), count(cost_priced), count(*)";
        assert_eq!(figures(&sandbox, select), expected, "{flip}");
        sandbox.run(&["rollup"]).ok();
        sandbox.run(&["compact"]).ok();
        assert_eq!(figures(&sandbox, select), expected, "{flip}");
        sandbox.run(&["verify"]).ok();
    }
}

#[test]
fn no_input_fills_a_computed_column() {
    let sandbox = Sandbox::new();
    let prices = table(&sandbox, "prices.json", &[("m-1", 2)]);
    let row = "{\"timestamp\":\"2026-01-01T10:00:00Z\",\"organization_id\":\"a\",\
               \"cost_priced\":5,\"costUncached\":6,\"price_table\":\"x\"}\n";
    let file = sandbox.write("rows.ndjson", row);
    let told = append(&sandbox, file.to_str().unwrap(), &prices, &[]).err;
    assert!(told.contains("ignored fields: costUncached, cost_priced, price_table"), "{told}");
    assert!(told.contains("1 row has no price (1: no model)"), "{told}");
    assert_eq!(figures(&sandbox, "count(cost_priced), count(price_table)"), "0,0");
    let set = ["append", file.to_str().unwrap(), "--set", "price_table=x"];
    let refused = sandbox.run(&set);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(
        refused.err.contains("`price_table` is computed, and no input fills it"),
        "{}",
        refused.err
    );
    let map = sandbox.write("map.toml", "[map]\ncost_priced = \"x\"\n");
    let mapped = ["append", file.to_str().unwrap(), "--map", map.to_str().unwrap()];
    let refused = sandbox.run(&mapped);
    assert!(
        refused.err.contains("map.toml:2: column `cost_priced` is computed"),
        "{}",
        refused.err
    );
}

#[test]
fn a_wrong_table_is_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let file = write(&sandbox, "rows.ndjson", &[(1, 1, "m-1", 100, 0, 0)]);
    for (text, code) in [("{}", 3), ("not json", 3)] {
        let prices = sandbox.write("p.json", text);
        let ran = sandbox.run(&["append", &file, "--prices", prices.to_str().unwrap()]);
        assert_eq!(ran.code, code, "{}", ran.err);
        assert!(ran.err.contains("p.json: "), "{}", ran.err);
    }
    let ran = sandbox.run(&["append", &file, "--prices", "nowhere.json"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(!sandbox.root().exists());
}

#[test]
fn a_definition_says_which_columns_are_prices() {
    let sandbox = Sandbox::new();
    let plain = "name = \"d\"\ntable = \"t\"\ntime = \"at\"\ncolumns = [\n\
                 { name = \"at\", type = \"timestamp\", required = true },\n\
                 { name = \"m\", type = \"text\" }, { name = \"i\", type = \"integer\" },\n\
                 { name = \"o\", type = \"integer\" }, { name = \"c\", type = \"decimal(18,12)\" },\n\
                 { name = \"u\", type = \"decimal(18,12)\" }, { name = \"p\", type = \"text\" } ]\n";
    let prices = "[prices]\ncost = \"c\"\ncost_uncached = \"u\"\ntable = \"p\"\nmodel = \"m\"\n\
                  input = \"i\"\noutput = \"o\"\n";
    let wrong = [
        (prices.replace("\"u\"", "\"c\""), "11: two costs would be in one column"),
        (prices.replace("\"u\"", "\"i\""), "11: `i` is of type integer, not decimal(18,12)"),
        (prices.replace("\"m\"", "\"z\""), "13: there is no column `z`"),
        (format!("sort = [\"p\"]\n{prices}"), "13: `p` is computed"),
        (
            format!("{prices}[unique]\nkey = [\"p\"]\nprefer = \"first\"\n"),
            "17: computed columns tell no event from another",
        ),
    ];
    for (text, reason) in wrong {
        let text = format!("{plain}{text}");
        let file = sandbox.write("d.toml", text);
        let ran = sandbox.run(&["init", file.to_str().unwrap()]);
        assert_eq!(ran.code, 3);
        assert!(ran.err.contains(reason), "{}", ran.err);
    }
    let table = table(&sandbox, "prices.json", &[("x", 2)]);
    let row = "{\"at\":\"2026-01-01T10:00:00Z\",\"m\":\"x\",\"i\":10,\"o\":0}\n";
    let row = sandbox.write("row.ndjson", row);
    let file = sandbox.write("d.toml", plain);
    let append = ["append", row.to_str().unwrap(), "--prices", &table];
    let made = ["--dataset", file.to_str().unwrap()];
    let refused = sandbox.run(&[append.as_slice(), &made].concat());
    assert!(refused.err.contains("`d` has no table [prices]"), "{}", refused.err);
    sandbox.write("d.toml", format!("{plain}{prices}"));
    sandbox.run(&[append.as_slice(), &made].concat()).ok();
    let ran = sandbox.run(&["query", "SELECT c, u, p FROM t", "--format", "csv"]).ok();
    assert!(ran.out.contains("0.000020000000,0.000020000000,prices.json@"), "{}", ran.out);
}

#[test]
fn repricing_changes_what_the_table_changes_and_says_it() {
    let sandbox = Sandbox::new();
    let old = table(&sandbox, "old.json", &[("m-1", 2)]);
    let new = table(&sandbox, "new.json", &[("m-1", 3), ("m-2", 1)]);
    let rows = [
        (1, 1, "m-1", 100, 40, 5),
        (2, 1, "m-2", 100, 0, 0),
        (3, 2, "m-1", 10, 0, 0),
        (4, 3, "m-3", 10, 0, 0),
    ];
    append(&sandbox, &write(&sandbox, "1.ndjson", &rows), &old, &[]);
    sandbox.run(&["rollup"]).ok();
    // A late row.
    append(&sandbox, &write(&sandbox, "2.ndjson", &[(5, 2, "m-1", 7, 0, 0)]), &old, &[]);
    let select = "sum(cost_priced), sum(cost_uncached), count(cost_priced), count(*)";
    let before = figures(&sandbox, select);
    let dry = sandbox.run(&["reprice", "--prices", &new, "--dry-run"]).ok();
    assert!(dry.err.contains("2 days would be priced by new.json@"), "{}", dry.err);
    assert_eq!(figures(&sandbox, select), before);
    let done = sandbox.run(&["reprice", "--prices", &new]).ok();
    assert_eq!(dry.out, done.out);
    for line in ["2026-01-01: 2 calls", "2026-01-02: 2 calls"] {
        assert!(done.out.contains(line), "{}", done.out);
    }
    for cells in [
        ["2026-01", "m-1", "3", "0.000262", "0.000393", "0.000131", "0", "0"],
        ["2026-01", "m-2", "1", "0.00", "0.0001", "0.0001", "1", "0"],
    ] {
        let is_row = |line: &str| line.split_whitespace().filter(|it| *it != "│").eq(cells);
        let cleaned = done.out.replace('┆', "│");
        assert!(cleaned.lines().any(is_row), "{cells:?}\n{}", done.out);
    }
    let after = "0.000493000000,0.000601000000,4,5";
    assert_eq!(figures(&sandbox, select), after);
    let stats =
        sandbox.run(&["query", "SELECT sum(cost_priced) FROM ai_usage_log", "--stats"]).ok();
    assert!(stats.err.contains("\"raw_days\":0"), "{}", stats.err);
    sandbox.run(&["verify"]).ok();
    sandbox.run(&["gc", "--grace", "0s"]).ok();
    assert_eq!(figures(&sandbox, select), after);
    let again = sandbox.run(&["reprice", "--prices", &new]).ok();
    assert!(again.err.contains("nothing changes"), "{}", again.err);
    // A retry of what was appended adds nothing.
    let batch = ["append", "1.ndjson", "--batch", "x"];
    assert_ne!(sandbox.run(&batch).code, 70);
}

/// A transcript is appended anew after its rows were priced by another table.
#[test]
fn a_later_append_leaves_repriced_costs_alone() {
    let sandbox = Sandbox::new();
    let first = table(&sandbox, "a.json", &[("m-1", 2)]);
    let negotiated = table(&sandbox, "z.json", &[("m-1", 1)]);
    let file = write(&sandbox, "1.ndjson", &[(1, 1, "m-1", 100, 0, 0)]);
    append(&sandbox, &file, &first, &[]);
    sandbox.run(&["reprice", "--prices", &negotiated]).ok();
    for _ in 0..2 {
        append(&sandbox, &file, &first, &[]);
        let select = "sum(cost_priced), count(*), min(price_table)";
        let found = figures(&sandbox, select);
        assert!(found.starts_with("0.000100000000,1,repriced: z.json@"), "{found}");
        sandbox.run(&["rollup"]).ok();
        sandbox.run(&["compact"]).ok();
    }
    let again = sandbox.run(&["reprice", "--prices", &negotiated]).ok();
    assert!(again.out.contains("2026-01-01: 0 calls"), "copies, too: {}", again.out);
    let again = sandbox.run(&["reprice", "--prices", &negotiated]).ok();
    assert!(again.err.contains("nothing changes"), "{}", again.err);
}

/// What is computed about rows decides nothing about which copy counts.
#[test]
fn repricing_moves_no_call_from_one_copy_to_another() {
    let sandbox = Sandbox::new();
    let first = table(&sandbox, "a.json", &[("m-1", 2)]);
    let second = table(&sandbox, "b.json", &[("m-1", 3)]);
    for (name, organization) in [("1.ndjson", "acme"), ("2.ndjson", "birch")] {
        let rows: Vec<Row> = (0..40).map(|event| (event, 1, "m-1", 100, 0, 0)).collect();
        let file = write(&sandbox, name, &rows);
        let text = fs::read_to_string(&file).unwrap().replace("acme", organization);
        fs::write(&file, text).unwrap();
        append(&sandbox, &file, &first, &[]);
    }
    let select = "count(*), count(*) FILTER (WHERE organization_id = 'acme')";
    let before = figures(&sandbox, select);
    sandbox.run(&["reprice", "--prices", &second]).ok();
    assert_eq!(figures(&sandbox, select), before);
    assert_eq!(figures(&sandbox, "sum(cost_priced)"), "0.012000000000");
    sandbox.run(&["verify"]).ok();
}

#[test]
fn a_bill_has_what_no_price_is_known_for() {
    let sandbox = Sandbox::new();
    let prices = table(&sandbox, "prices.json", &[("m-1", 2)]);
    let rows: Vec<Row> = (1..=20)
        .flat_map(|day| [(day, day, "m-1", 100, 40, 5), (100 + day, day, "m-9", 7, 0, 3)])
        .collect();
    append(&sandbox, &write(&sandbox, "1.ndjson", &rows), &prices, &[]);
    let bill = |route: &str| {
        let args = ["query", "--name", "chargeback", "--format", "csv", "--route", route];
        let span = ["--param", "from=2026-01-01", "--param", "to=2026-01-31", "--stats"];
        sandbox.run(&[args.as_slice(), &span].concat()).ok()
    };
    let raw = bill("raw").out;
    let rows: Vec<_> = raw.lines().skip(1).collect();
    assert_eq!(rows.len(), 2);
    let known = "acme,,,m-1,,20,2000,800,,,100,,,0,0.004560000000,0.001440000000,0,,";
    let unknown = "acme,,,m-9,,20,140,0,,,60,,,0,,,20,140,60";
    assert_eq!(rows, [known, unknown]);
    sandbox.run(&["rollup"]).ok();
    let rolled = bill("auto");
    assert_eq!(rolled.out, raw);
    assert!(rolled.err.contains("\"raw_days\":0"), "{}", rolled.err);
    sandbox.run(&["purge", "--older-than", "30d"]).ok();
    assert_eq!(bill("auto").out, raw);
}

#[test]
fn a_purged_day_keeps_its_costs() {
    let sandbox = Sandbox::new();
    let old = table(&sandbox, "old.json", &[("m-1", 2)]);
    let new = table(&sandbox, "new.json", &[("m-1", 3)]);
    append(&sandbox, &write(&sandbox, "1.ndjson", &[(1, 1, "m-1", 100, 0, 0)]), &old, &[]);
    sandbox.run(&["purge", "--older-than", "30d"]).ok();
    let told = sandbox.run(&["reprice", "--prices", &new]).ok().err;
    assert!(told.contains("1 purged day keeps its costs"), "{told}");
    let sum = ["query", "SELECT sum(cost_priced) FROM ai_usage_log", "--format", "csv"];
    assert!(sandbox.run(&sum).ok().out.contains("0.000200000000"));
}

/// Random logs, tables and jobs, against costs that are added up here.
#[test]
fn costs_agree_with_an_account_of_their_own() {
    let seeds = std::env::var("TALLYBOOK_PRICE_WORLDS").ok().and_then(|it| it.parse().ok());
    for seed in 0..seeds.unwrap_or(4) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sandbox = Sandbox::new();
        // Tables whose names are in the order of their age.
        let tables: Vec<(String, BTreeMap<&str, u64>)> = (0..3)
            .map(|age| {
                let mut rates = vec![("m-0", 1)];
                for model in ["m-1", "m-2", "m-3"] {
                    if random.random_bool(0.7) {
                        rates.push((model, random.random_range(1..9)));
                    }
                }
                let name = format!("t{age}.json");
                (table(&sandbox, &name, &rates), rates.into_iter().collect())
            })
            .collect();
        // For each event its row, and the oldest table that priced it.
        let mut calls: BTreeMap<u32, (Row, Option<usize>)> = BTreeMap::new();
        // What `reprice` computed stays, and which rows it found as they are is not in this account.
        // So no append after it has an older table.
        let mut oldest = 0;
        for step in 0..12 {
            let kind = random.random_range(0..6);
            let at = random.random_range(if kind < 3 { oldest } else { 0 }..tables.len());
            let (prices, rates) = &tables[at];
            match kind {
                0..3 => {
                    let rows: Vec<Row> = (0..random.random_range(1..9))
                        .map(|_| {
                            let event = random.random_range(0..30);
                            let known = calls.get(&event).map(|(row, _)| *row);
                            known.unwrap_or_else(|| {
                                let model = ["m-1", "m-2", "m-3", "m-4"][random.random_range(0..4)];
                                let input = random.random_range(0..1000);
                                let cached = random.random_range(0..=input);
                                let output = random.random_range(0..100);
                                (event, 1 + event % 4, model, input, cached, output)
                            })
                        })
                        .fold(Vec::new(), |mut rows: Vec<Row>, row| {
                            if !rows.iter().any(|other| other.0 == row.0) {
                                rows.push(row);
                            }
                            rows
                        });
                    append(&sandbox, &write(&sandbox, "rows.ndjson", &rows), prices, &[]);
                    for row in rows {
                        let call = calls.entry(row.0).or_insert((row, None));
                        if rates.contains_key(row.2) {
                            call.1 = Some(call.1.map_or(at, |before| before.min(at)));
                        }
                    }
                }
                _ if !sandbox.root().exists() => {}
                3 => drop(sandbox.run(&["rollup"]).ok()),
                4 => drop(sandbox.run(&["compact"]).ok()),
                _ => {
                    sandbox.run(&["reprice", "--prices", prices]).ok();
                    oldest = at;
                    for (row, by) in calls.values_mut() {
                        *by = rates.contains_key(row.2).then_some(at);
                    }
                }
            }
            if calls.is_empty() {
                continue;
            }
            let priced =
                calls.values().filter_map(|(row, by)| Some(cost(row, tables[(*by)?].1[row.2])));
            let count = priced.clone().count();
            let sum = if count == 0 { String::new() } else { dollars(priced.sum()) };
            let found = figures(&sandbox, "sum(cost_priced), count(cost_priced), count(*)");
            assert_eq!(found, format!("{sum},{count},{}", calls.len()), "seed {seed} step {step}");
        }
    }
}

/// The samples whose costs somebody else computed.
#[test]
fn shared_samples_have_their_costs() {
    let logs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/logs");
    let Ok(expected) = fs::read_to_string(logs.join("expected.json")) else {
        eprintln!("SKIPPED: {} is not there", logs.display());
        return;
    };
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    let prices = logs.join("prices.json");
    let mut tried = 0;
    for (name, sample) in expected.as_object().unwrap() {
        let Some(cost) = sample["cost_by_samples/prices.json"].as_str() else { continue };
        let sandbox = Sandbox::new();
        let file = logs.join(name);
        let set = ["--set", "organization_id=acme"];
        // Convex rows have an organization, and bodies of Anthropic's have no time.
        let set: &[&str] = if name.starts_with("convex") { &[] } else { &set };
        let time: &[&str] =
            if name.starts_with("anthropic") { &["--time", "2026-01-24T18:00:00Z"] } else { &[] };
        append(&sandbox, file.to_str().unwrap(), prices.to_str().unwrap(), &[set, time].concat());
        for job in ["rollup", "compact"] {
            let select = "coalesce(sum(cost_priced), 0), count(*) - count(cost_priced)";
            let found = figures(&sandbox, select);
            let (found, unpriced) = found.split_once(',').unwrap();
            assert_eq!(
                found.trim_end_matches('0'),
                cost.trim_end_matches('0').to_owned() + if cost == "0" { "0." } else { "" },
                "{name}"
            );
            assert_eq!(unpriced, sample["unpriced_calls"].to_string(), "{name}");
            sandbox.run(&[job]).ok();
        }
        tried += 1;
    }
    assert!(tried >= 8, "{tried} samples");
}
