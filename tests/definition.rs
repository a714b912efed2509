//! Definitions: other datasets, wrong ones, newer ones.

use tallybook::{Dataset, Route, SystemClock, Tallybook};

use crate::support::{Sandbox, csv};

const SENSORS: &str = r#"
name = "sensors"
table = "readings"
time = "at"
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "site", type = "text" },
  { name = "channel", type = "integer" },
  { name = "good", type = "boolean" },
  { name = "value", type = "decimal(38,10)" },
  { name = "raw", type = "float" },
]

[[rollup]]
name = "by_site"
grain = "hour"
dimensions = ["site", "channel", "good"]
measures = ["count(*) as n", "sum(value) as total", "min(value) as low", "max(at) as last", "avg(channel) as c"]
table = "site_hours"
"#;

#[test]
fn the_default_definition_is_right() {
    let dataset = Dataset::ai_usage().unwrap();
    let names: Vec<_> = dataset.rollups().iter().map(tallybook::Rollup::name).collect();
    let expected = [
        "org_daily",
        "platform_daily",
        "org_hourly",
        "chargeback_daily",
        "users_daily",
        "latency_daily",
    ];
    assert_eq!(names, expected);
    assert_eq!(names.len(), crate::support::ROLLUPS);
    assert_eq!(dataset.rollup("org_daily").unwrap().table(), Some("ai_usage_daily_aggregates"));
}

#[test]
fn any_log_works() {
    let sandbox = Sandbox::new();
    let definition = sandbox.write("sensors.toml", SENSORS);
    sandbox.run(&["init", definition.to_str().unwrap()]).ok();
    let mut rows = String::new();
    for day in 1..=20 {
        for (site, value) in [("\"n\"", "0.0000000001"), ("null", "-7e3"), ("\"\"", "null")] {
            rows += &format!(
                "{{\"at\":\"2026-01-{day:02}T05:06:07Z\",\"site\":{site},\"channel\":{day},\"good\":true,\"value\":{value},\"raw\":1.5}}\n"
            );
        }
    }
    sandbox.run_with(&["append"], rows.as_bytes()).ok();
    sandbox.run(&["rollup"]).ok();
    let query = "SELECT site, count(*) AS n, sum(value) AS v, min(value) AS low, max(at) AS last, \
                 avg(channel) AS c, count(site) FILTER (WHERE channel > 5) AS f FROM readings GROUP BY site";
    let answer = |route: &str| {
        sandbox.run(&["query", query, "--format", "csv", "--route", route, "--stats"]).ok()
    };
    let rolled = answer("auto");
    assert_eq!(rolled.out, answer("raw").out);
    // count(site) is not stored. But site is a dimension, so the counts of rows by site answer.
    assert!(rolled.err.contains("\"route\":\"rollup\""), "{}", rolled.err);
    let query =
        "SELECT site, sum(n) AS n, sum(total) AS t, max(last) AS l FROM site_hours GROUP BY site";
    let ran = sandbox.run(&["query", query, "--format", "csv", "--route", "rollup"]).ok();
    assert_eq!(
        ran.out,
        "site,n,t,l\n,20,,2026-01-20T05:06:07Z\nn,20,0.0000000020,2026-01-20T05:06:07Z\n\
         ,20,-140000.0000000000,2026-01-20T05:06:07Z\n"
    );
    sandbox.run(&["usage", "platform"]).failed(3, "ai_usage_log");
}

#[test]
fn wrong_definitions_say_line_and_reason() {
    let with = |from: &str, to: &str| {
        assert!(SENSORS.contains(from), "{from}");
        SENSORS.replacen(from, to, 1)
    };
    let cases = [
        (with("name = \"sensors\"", "name = \"Sensors\""), 2, "name `Sensors` must be"),
        (with("time = \"at\"", "time = \"site\""), 4, "must be a required timestamp"),
        (with("time = \"at\"", "time = \"when\""), 4, "there is no column `when`"),
        (with("\"text\"", "\"string\""), 7, "type `string` is not"),
        (with("name = \"site\"", "name = \"date\""), 7, "column name `date` is reserved"),
        (with("name = \"channel\"", "name = \"site\""), 8, "input name `site` is twice"),
        (with("[\"site\"", "[\"sites\""), 17, "there is no column `sites`"),
        (with("[\"site\"", "[\"raw\""), 17, "`raw` is of type float; a dimension is"),
        (with("[\"site\"", "[\"channel\""), 17, "dimension `channel` is twice"),
        (with("sum(value)", "sum(raw)"), 18, "a sum of floats depends on the order"),
        (with("sum(value)", "sum(site)"), 18, "sum of a text is not kept by rollups"),
        (with("sum(value)", "median(value)"), 18, "is not `function(argument) as name`"),
        (with("sum(value)", "sum(values)"), 18, "there is no column `values`"),
        (with("sum(value)", "sum(value, channel)"), 18, "is not an expression over the columns"),
        (with("sum(value)", "sum(value + depth)"), 18, "No field named depth"),
        (with("sum(value)", "sum(value + raw)"), 18, "a sum of floats depends on the order"),
        (with("sum(value)", "sum(random() + 1)"), 18, "must say the same of a row at any time"),
        (with("sum(value)", "max(sum(value))"), 18, "must say the same of a row at any time"),
        (with("sum(value)", "sum(1 + 1)"), 18, "names no column"),
        (
            with("sum(value)", "sum(extract(hour FROM at))"),
            18,
            "is about time, which is the grain's",
        ),
        (with("sum(value)", "max(length(site))"), 18, "is of type Int32; cast it to bigint"),
        (
            with("[[rollup]]", "[[rollup]]\nfilter = \"channel\""),
            15,
            "`channel` is of type integer, not",
        ),
        (with("[[rollup]]", "[[rollup]]\nfilter = \"good >\""), 15, "is not an expression over"),
        (with("as total", "as n"), 15, "two columns would be named `n`"),
        (with("\"hour\"", "\"fortnight\""), 16, "unknown variant"),
        (with("table = \"site_hours\"", "tables = 1"), 19, "unknown field"),
        (with("table = \"site_hours\"", "table = \"readings\""), 19, "table `readings` is twice"),
        ("name = 1 2".to_owned(), 1, ""),
    ];
    for (text, line, reason) in cases {
        let error = Dataset::parse(&text, "d.toml").unwrap_err().to_string();
        assert!(error.starts_with(&format!("d.toml:{line}: ")), "line {line}: {error}");
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[test]
fn a_newer_format_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]).ok();
    let file = sandbox.root().join("definitions/1.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("format = 2\n"));
    let (text, _) = text.trim_end().rsplit_once('\n').unwrap();
    let text = text.replace("format = 2", "format = 3\nnews = true");
    let hash = blake3::hash(text.as_bytes()).to_hex();
    std::fs::write(&file, format!("{text}\n# blake3 {hash}\n")).unwrap();
    for command in [vec!["status"], vec!["append"], vec!["query", "SELECT 1"]] {
        sandbox.run(&command).failed(3, "format 3 is newer than this program's, 2");
    }
}

#[test]
fn another_definition_for_a_root_is_a_conflict() {
    let sandbox = Sandbox::new();
    let definition = sandbox.write("sensors.toml", SENSORS);
    let definition = definition.to_str().unwrap();
    sandbox.run(&["append", "--dataset", definition]).ok();
    sandbox.run(&["append", "--dataset", definition]).ok();
    sandbox.run(&["init"]).ok();
    let other = sandbox.write("other.toml", SENSORS.replace("min(value)", "max(value)"));
    sandbox.run(&["append", "--dataset", other.to_str().unwrap()]).failed(6, "another definition");
}

#[test]
fn filters_and_expressions_change_what_a_segment_is() {
    let parse = |text: &str| Dataset::parse(text, "d.toml").unwrap();
    let hash = |text: &str| parse(text).rollups()[0].definition_hash().to_owned();
    let filtered = SENSORS.replace("grain =", "filter = \"good AND channel > 1\"\ngrain =");
    let product = SENSORS.replace("sum(value)", "sum(value * channel)");
    assert_eq!(parse(&filtered).rollups()[0].filter(), Some("good AND channel > 1"));
    let states = parse(&product).rollups()[0].segment_schema();
    assert!(states.field_with_name("(value * channel)_sum").is_ok(), "{states}");
    let hashes = [hash(SENSORS), hash(&filtered), hash(&product)];
    let different: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(different.len(), 3, "{hashes:?}");
}

#[tokio::test]
async fn names_do_not_change_what_a_segment_is() {
    let renamed = tallybook::DEFAULT_DEFINITION.replace("total_cost", "money");
    let (a, b) = (Dataset::ai_usage().unwrap(), Dataset::parse(&renamed, "r.toml").unwrap());
    for (a, b) in a.rollups().iter().zip(b.rollups()) {
        assert_eq!(a.definition_hash(), b.definition_hash());
    }
    let changed = tallybook::DEFAULT_DEFINITION.replace("max(latency_ms)", "min(latency_ms)");
    let changed = Dataset::parse(&changed, "c.toml").unwrap();
    let hash =
        |dataset: &Dataset| dataset.rollup("platform_daily").unwrap().definition_hash().to_owned();
    assert_ne!(hash(&a), hash(&changed));
    let clock = std::sync::Arc::new(SystemClock);
    let file = (renamed.as_str(), "r.toml");
    let db = Tallybook::builder("memory://")
        .definition(file.0, file.1)
        .clock(clock)
        .create()
        .await
        .unwrap();
    let (text, _) = csv(&db, "SELECT money FROM ai_usage_daily_aggregates", Route::Auto).await;
    assert_eq!(text, "money\n");
}

#[test]
fn a_lost_or_damaged_definition_is_told_from_an_empty_root() {
    use crate::support::small::{Small, flip};
    let small = Small::new();
    small.append("one", &["2026-01-03"], &["a", "b"], 1).ok();
    small.run("rollup").ok();
    let more = crate::support::SMALL_LOG
        .replace("\"count(*) as n\"", "\"count(*) as n\", \"max(v) as m\"");
    small.sandbox.write("more.toml", more);
    small.run("init --replace more.toml").ok();
    let expected = small.counts("auto");
    let first = small.sandbox.root().join("definitions/1.toml");
    let content = std::fs::read(&first).unwrap();
    for lost in [false, true] {
        if lost {
            std::fs::remove_file(&first).unwrap();
        } else {
            flip(&first);
        }
        let ran = small.ask("auto", "").ok();
        assert!(ran.err.contains("1.toml"), "{ran:?}");
        assert_eq!(small.counts("raw"), expected);
        small.run("rollup").ok();
        assert_eq!(small.run("verify").code, 1);
        std::fs::write(&first, &content).unwrap();
        small.run("verify").ok();
    }
    std::fs::remove_dir_all(small.sandbox.root().join("definitions")).unwrap();
    small.ask("auto", "").failed(5, "definitions");
    small.append("two", &["2026-01-03"], &["a"], 1).failed(5, "definitions");
    assert!(!small.sandbox.root().join("definitions").exists(), "no other dataset was made");
}
