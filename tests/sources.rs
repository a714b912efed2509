//! Logs of every kind that the program knows: each sample gives its rows and sums, whether its
//! source is named or recognized.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use crate::support::{Sandbox, traces_dir};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Samples {
    sample: Vec<Sample>,
}

/// What a sample must give. The sums are over distinct calls: rows that are equal in their event,
/// model and input classes are one call, of which the greatest output counts.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Sample {
    source: String,
    file: String,
    rows: u64,
    skipped: u64,
    calls: u64,
    input_tokens: u64,
    cached_tokens: u64,
    cache_write_tokens: u64,
    cache_write_1h_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost: Option<String>,
    models: BTreeMap<String, u64>,
    days: BTreeMap<String, u64>,
    naive_input_tokens: u64,
    naive_output_tokens: u64,
}

fn logs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/logs")
}

fn samples() -> Vec<Sample> {
    let text = fs::read_to_string(logs().join("expected.toml")).unwrap();
    toml::from_str::<Samples>(&text).unwrap().sample
}

fn ask(sandbox: &Sandbox, sql: &str) -> String {
    sandbox
        .run(&["query", sql, "--format", "csv"])
        .ok()
        .out
        .lines()
        .skip(1)
        .collect::<Vec<_>>()
        .join("\n")
}

fn counts(sandbox: &Sandbox, column: &str) -> BTreeMap<String, u64> {
    let rows = ask(sandbox, &format!("SELECT {column}, count(*) FROM ai_usage_log GROUP BY 1"));
    let pairs = rows.lines().map(|line| line.rsplit_once(',').unwrap());
    pairs.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
}

const TOKENS: [&str; 6] = [
    "input_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
];

/// The number of calls, and the sums of their tokens.
fn sums(sandbox: &Sandbox) -> String {
    let sums = TOKENS.iter().fold(String::from("SELECT count(*)"), |mut sql, column| {
        write!(sql, ", coalesce(sum({column}), 0)").unwrap();
        sql
    });
    ask(sandbox, &format!("{sums} FROM ai_usage_log"))
}

fn check(sample: &Sample, sandbox: &Sandbox, told: &str) {
    let file = &sample.file;
    assert!(told.contains(&format!(" as {}: ", sample.source)), "{file}: {told}");
    let skipped = (sample.skipped > 0).then(|| format!("left out {} row", sample.skipped));
    assert_eq!(told.contains("left out"), skipped.is_some(), "{file}: {told}");
    assert!(skipped.is_none_or(|skipped| told.contains(&skipped)), "{file}: {told}");
    assert!(told.contains(&format!("appended {} row", sample.rows)), "{file}: {told}");
    let expected = [
        sample.calls,
        sample.input_tokens,
        sample.cached_tokens,
        sample.cache_write_tokens,
        sample.cache_write_1h_tokens,
        sample.output_tokens,
        sample.reasoning_tokens,
    ];
    assert_eq!(sums(sandbox), expected.map(|sum| sum.to_string()).join(","), "{file}");
    let cost = ask(sandbox, "SELECT sum(cost) FROM ai_usage_log");
    let wanted = sample.cost.as_deref().unwrap_or_default();
    let digits = |number: &str| number.trim_matches('"').trim_end_matches(['0', '.']).to_owned();
    assert_eq!(digits(&cost), digits(wanted), "{file}");
    assert_eq!(counts(sandbox, "model"), sample.models, "{file}");
    assert_eq!(counts(sandbox, "CAST(date AS VARCHAR)"), sample.days, "{file}");
    assert_eq!(ask(sandbox, "SELECT DISTINCT source FROM ai_usage_log"), sample.source, "{file}");
    let without_event = "SELECT count(*) FROM ai_usage_log WHERE event_id IS NULL";
    assert_eq!(ask(sandbox, without_event), "0", "{file}");
}

/// The default definition, without the rule that each event counts once.
fn of_all_rows(sandbox: &Sandbox) -> PathBuf {
    let definition = include_str!("../data/ai_usage.toml");
    let start = definition.find("[unique]").unwrap();
    let end = start + definition[start..].find("[[rollup]]").unwrap();
    sandbox.write("all.toml", format!("{}{}", &definition[..start], &definition[end..]))
}

#[test]
fn every_sample_gives_its_calls_and_sums() {
    for sample in samples() {
        let path = logs().join(&sample.file);
        // The fields of Convex have the names of columns, so its log is read by these names.
        for named in [true, false].into_iter().filter(|named| *named || sample.source != "convex") {
            let sandbox = Sandbox::new();
            let mut args = vec!["append", path.to_str().unwrap()];
            if named {
                args.extend(["--from", &sample.source]);
            }
            let told = sandbox.run(&args).ok().err;
            check(&sample, &sandbox, &told);
            // Again, as a log that is exported twice.
            sandbox.run(&args).ok();
            sandbox.run(&["rollup"]).ok();
            check(&sample, &sandbox, &told);
        }
        let sandbox = Sandbox::new();
        let all = of_all_rows(&sandbox);
        sandbox.run(&["append", path.to_str().unwrap(), "--dataset", all.to_str().unwrap()]).ok();
        let naive = "SELECT count(*), coalesce(sum(input_tokens), 0), \
                     coalesce(sum(output_tokens), 0) FROM ai_usage_log";
        let expected =
            format!("{},{},{}", sample.rows, sample.naive_input_tokens, sample.naive_output_tokens);
        assert_eq!(ask(&sandbox, naive), expected, "{}", sample.file);
    }
}

#[test]
fn every_source_has_a_sample() {
    let listed = Sandbox::new().run(&["sources"]).ok().out;
    let samples = samples();
    for line in listed.lines() {
        let name = line.split_once(' ').unwrap().0;
        assert!(samples.iter().any(|sample| sample.source == name), "{name}");
        let text = Sandbox::new().run(&["sources", name]).ok().out;
        assert!(text.contains(&format!("name = \"{name}\"")), "{text}");
    }
    assert_eq!(listed.lines().count(), 16);
    let unknown = Sandbox::new().run(&["sources", "claude"]);
    assert!(unknown.failed(4, "there is no source").err.contains("did you mean `claude-code`?"));
}

/// Samples of whole folders, as they are on a disk.
#[test]
fn larger_samples_give_their_sums() {
    let Some(dir) = traces_dir() else {
        eprintln!("SKIPPED: larger_samples_give_their_sums: the samples are not here");
        return;
    };
    for (log, expected) in [
        ("claude-code", "5,150930,140300,7900,7600,1995,0"),
        ("codex", "5,311500,220000,0,0,2950,1500"),
        ("langfuse", "2,3400,2600,300,0,280,64"),
        ("real-claude-code", "32,2538580,2402014,136492,0,51440,0"),
        ("openai-chat.jsonl", "3,2490,1024,0,0,350,128"),
        ("anthropic-messages.jsonl", "2,112400,22000,300,0,580,0"),
        ("otlp-traces.jsonl", "3,6176,4048,300,0,280,30"),
        ("litellm-spendlogs.jsonl", "3,3450,2600,300,0,280,64"),
        ("convex-aiUsageLog.jsonl", "2,1505,129955,0,0,820,0"),
    ] {
        let sandbox = Sandbox::new();
        let path = dir.join("logs").join(log);
        sandbox.run(&["append", path.to_str().unwrap()]).ok();
        assert_eq!(sums(&sandbox), expected, "{log}");
    }
}
