//! `append`: forms, names, times, bad rows, batches.

use std::{fs, io::Write as _};

use tallybook::{AppendOptions, BatchId, ErrorKind, Input, Rejects, Route, Settings};

use crate::support::{self, SMALL_LOG, Sandbox, append, csv, db_at, small::Small};

const ROWS: &str = r#"{"timestamp":"2026-01-24T09:30:00Z","organization_id":"acme","model":"m1","input_tokens":100,"cached_tokens":40,"output_tokens":7,"cost":0.25}
{"timestamp":1769247000000,"organizationId":"acme","coachId":"u1","inputTokens":9,"cost":"0.000000000001"}
{"timestamp":"2026-01-25T00:30:00+01:00","organization_id":"b\u00fc","model":null}
"#;

const ALL: &str = "SELECT date, timestamp, organization_id, user_id, input_tokens, cached_tokens, \
                   output_tokens, cost, cache_hit_rate FROM ai_usage_log ORDER BY timestamp, 3";

fn all(sandbox: &Sandbox) -> String {
    sandbox.run(&["query", ALL, "--format", "csv"]).ok().out
}

const EXPECTED: &str = "date,timestamp,organization_id,user_id,input_tokens,cached_tokens,output_tokens,cost,cache_hit_rate
2026-01-24,2026-01-24T09:30:00Z,acme,,100,40,7,0.250000000000,0.40000000
2026-01-24,2026-01-24T09:30:00Z,acme,u1,9,,,0.000000000001,
2026-01-24,2026-01-24T23:30:00Z,bü,,,,,,
";

#[test]
fn ndjson_by_our_names_and_in_camel_case() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run_with(&["append"], ROWS.as_bytes()).ok();
    assert!(ran.err.contains("appended 3 rows of 1 day (2026-01-24)"), "{}", ran.err);
    assert!(ran.err.contains("is random"), "a batch without an id says so: {}", ran.err);
    assert_eq!(all(&sandbox), EXPECTED);
}

#[test]
fn every_form_gives_the_same_rows() {
    let origin = Sandbox::new();
    origin.run_with(&["append"], ROWS.as_bytes()).ok();
    let query = "SELECT timestamp, organization_id, user_id, input_tokens, cached_tokens, \
                 output_tokens, cost FROM ai_usage_log";
    let as_csv = origin.run(&["query", query, "--format", "csv"]).ok().out;
    let as_parquet = fs::read(&origin.files("raw")[0]).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(ROWS.as_bytes()).unwrap();
    let forms: [(&str, Vec<u8>); 5] = [
        ("rows.csv", as_csv.clone().into_bytes()),
        ("rows.parquet", as_parquet.clone()),
        ("rows.ndjson.gz", gzip.finish().unwrap()),
        ("rows.csv.zst", zstd::encode_all(as_csv.as_bytes(), 1).unwrap()),
        ("no-extension", as_parquet),
    ];
    for (name, content) in forms {
        let sandbox = Sandbox::new();
        let path = sandbox.write(name, content);
        sandbox.run(&["append", path.to_str().unwrap()]).ok();
        assert_eq!(all(&sandbox), EXPECTED, "{name}");
    }
}

#[test]
fn parquet_from_standard_input() {
    let origin = Sandbox::new();
    origin.run_with(&["append"], ROWS.as_bytes()).ok();
    let content = fs::read(&origin.files("raw")[0]).unwrap();
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append", "-", "--batch", "b"], &content).ok();
    assert_eq!(all(&sandbox), EXPECTED);
}

#[test]
fn a_bad_row_stops_everything_and_is_described() {
    let sandbox = Sandbox::new();
    let bad = [
        ("{\"timestamp\":\"2026-01-24T09:30:00Z\"}", "organization_id: missing"),
        ("{\"organization_id\":\"a\"}", "timestamp: missing"),
        (
            "{\"organization_id\":\"\",\"timestamp\":\"2026-01-24T09:30:00Z\"}",
            "organization_id: missing",
        ),
        ("{\"organization_id\":\"a\",\"timestamp\":\"soon\"}", "timestamp: `soon` is not a time"),
        (
            "{\"organization_id\":\"a\",\"timestamp\":\"1999-12-31T23:59:59Z\"}",
            "timestamp: 1999-12-31 is outside",
        ),
        (
            "{\"organization_id\":\"a\",\"timestamp\":\"2999-01-01T00:00:00Z\"}",
            "timestamp: 2999-01-01 is outside",
        ),
        (
            "{\"organization_id\":\"a\",\"timestamp\":1769247000,\"cost\":1000000}",
            "cost: 1000000 is too large",
        ),
        (
            "{\"organization_id\":\"a\",\"timestamp\":1769247000,\"input_tokens\":9223372036854775808}",
            "input_tokens: 9223372036854775808 is too large",
        ),
        (
            "{\"organization_id\":\"a\",\"timestamp\":1769247000,\"input_tokens\":1.5}",
            "input_tokens: 1.5 is not a whole number",
        ),
        (
            "{\"organization_id\":\"a\",\"organizationId\":\"b\",\"timestamp\":1769247000}",
            "organization_id: given twice",
        ),
        (
            "{\"organization_id\":\"a\",\"timestamp\":1769247000,\"model\":{}}",
            "model: an object or array",
        ),
        ("not json", "not a JSON object"),
        ("{\"organization_id\":\"a\",\"timestamp\":1769247000", "not a JSON object"),
        ("[1]", "not a JSON object"),
    ];
    for (line, reason) in bad {
        let path = sandbox.write("rows.ndjson", format!("{ROWS}\n{line}\n"));
        let ran = sandbox.run(&["append", path.to_str().unwrap(), "--batch", "b"]);
        let place = format!("rows.ndjson:5: {reason}");
        assert!(ran.failed(3, &place).err.contains("nothing was appended"));
        assert!(sandbox.files("raw").is_empty() && sandbox.files("batches").is_empty(), "{line}");
    }
}

#[test]
fn rejects_are_kept_as_they_came_and_good_rows_count() {
    let sandbox = Sandbox::new();
    let bad = "{\"timestamp\": \"2026-01-24T09:30:00Z\" ,\"cost\":1}";
    let path = sandbox.write("rows.ndjson", format!("{bad}\n{ROWS}oops\n"));
    let rejects = sandbox.path("bad.ndjson");
    let (path, rejects_path) = (path.to_str().unwrap(), rejects.to_str().unwrap());
    let args = ["append", path, "--rejects", rejects_path, "--max-rejects"];
    sandbox.run(&[args.as_slice(), &["1"]].concat()).failed(3, "2 rows are bad");
    let ran = sandbox.run(&[args.as_slice(), &["2"]].concat()).ok();
    assert!(ran.err.contains("2 rejects") && ran.err.contains("rows.ndjson:1: organization_id"));
    assert_eq!(fs::read_to_string(rejects).unwrap(), format!("{bad}\noops\n"));
    assert_eq!(all(&sandbox), EXPECTED);
}

#[test]
fn rejected_csv_can_be_mended_and_appended_again() {
    let sandbox = Sandbox::new();
    let text = "timestamp,organization_id,model\n2026-01-24T09:30:00Z,a,\"x\ny\"\n,b,\"q,\"\"r\"\n2026-01-24T10:30:00Z,c\n2026-01-24T11:30:00Z,d,z\n";
    let path = sandbox.write("rows.csv", text);
    let rejects = sandbox.path("bad.csv");
    let args = [
        "append",
        path.to_str().unwrap(),
        "--max-rejects",
        "9",
        "--rejects",
        rejects.to_str().unwrap(),
    ];
    let ran = sandbox.run(&args).ok();
    assert!(ran.err.contains("rows.csv:4: timestamp: missing"), "{}", ran.err);
    assert!(ran.err.contains("rows.csv:5: has 2 fields where the header has 3"), "{}", ran.err);
    let kept = fs::read_to_string(rejects).unwrap();
    assert_eq!(kept, "timestamp,organization_id,model\n,b,\"q,\"\"r\"\n2026-01-24T10:30:00Z,c\n");
    let count = sandbox.run(&["query", "SELECT count(*) FROM ai_usage_log", "--format", "csv"]);
    assert_eq!(count.ok().out, "count(*)\n2\n");
}

#[test]
fn odd_rows_are_kept_and_counted() {
    let sandbox = Sandbox::new();
    let rows = r#"{"timestamp":"2026-01-24T09:30:00Z","organization_id":"a","input_tokens":5,"cached_tokens":128955,"cost":-0.58}
{"timestamp":"2026-01-24 09:30:00","organization_id":"a","input_tokens":0,"cached_tokens":0}
"#;
    let ran = sandbox.run_with(&["append"], rows.as_bytes()).ok();
    for line in [
        "1 row has cached_tokens > input_tokens",
        "1 row has cache_hit_rate > 1",
        "1 row has cost < 0",
        "1 row has time without a zone, taken as UTC",
    ] {
        assert!(ran.err.contains(line), "{line}\n{}", ran.err);
    }
    let query = "SELECT cost, cache_hit_rate FROM ai_usage_log ORDER BY cost NULLS LAST";
    let out = sandbox.run(&["query", query, "--format", "csv"]).ok().out;
    assert_eq!(out, "cost,cache_hit_rate\n-0.580000000000,25791.00000000\n,0.00000000\n");
}

#[test]
fn the_same_batch_again_changes_nothing() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("rows.ndjson", ROWS);
    let args = ["append", path.to_str().unwrap(), "--batch", "2026-01-24"];
    sandbox.run(&args).ok();
    let files = sandbox.files("");
    assert!(sandbox.run(&args).ok().err.contains("was appended before; nothing changed"));
    assert_eq!(sandbox.files(""), files);
    // In another order and format, the rows are still the same batch.
    let mut lines: Vec<_> = ROWS.lines().collect();
    lines.reverse();
    let again = sandbox.run_with(&["append", "--batch", "2026-01-24"], lines.join("\n").as_bytes());
    assert!(again.ok().err.contains("nothing changed"));
    assert_eq!(all(&sandbox), EXPECTED);
}

#[test]
fn the_same_id_with_other_rows_is_a_conflict() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append", "--batch", "b"], ROWS.as_bytes()).ok();
    let others = [
        ROWS.replace("0.25", "0.26"),
        ROWS.lines().next().unwrap().to_owned(),
        format!("{ROWS}{}", ROWS.lines().next().unwrap()),
        // Only rows of another day: their leaf has no name in common with the first append's.
        ROWS.lines().next().unwrap().replace("2026-01-24", "2026-02-24"),
    ];
    for other in others {
        let ran = sandbox.run_with(&["append", "--batch", "b"], other.as_bytes());
        ran.failed(6, "was appended with other rows");
        assert_eq!(all(&sandbox), EXPECTED);
    }
}

#[test]
fn identical_batches_under_other_ids_both_count() {
    let sandbox = Sandbox::new();
    for id in ["a", "b"] {
        sandbox.run_with(&["append", "--batch", id], ROWS.as_bytes()).ok();
    }
    for _ in 0..2 {
        sandbox.run_with(&["append"], ROWS.as_bytes()).ok();
    }
    let out = sandbox.run(&["query", "SELECT count(*) FROM ai_usage_log", "--format", "csv"]);
    assert_eq!(out.ok().out, "count(*)\n12\n");
}

#[tokio::test]
async fn many_files_are_one_batch_and_days_have_their_own_leaves() {
    let db = db_at("memory://", "2026-03-01", Settings::default()).await;
    let row =
        |day: &str| format!("{{\"timestamp\":\"{day}T05:00:00Z\",\"organization_id\":\"a\"}}\n");
    let inputs = ["2026-02-01", "2026-02-03", "2026-02-01"]
        .map(|day| Input::bytes(format!("{day}.ndjson"), row(day)));
    let report = db.append(inputs.into(), AppendOptions::default()).await.unwrap();
    assert_eq!((report.rows, report.leaves, report.days.len()), (3, 2, 2));
    let (text, _) =
        csv(&db, "SELECT date, count(*) AS n FROM ai_usage_log GROUP BY 1", Route::Auto).await;
    assert_eq!(text, "date,n\n2026-02-01,2\n2026-02-03,1\n");
}

/// Rows beyond the buffer wait on disk. Large days are cut into parts, and a retry cuts the same
/// parts.
#[tokio::test]
async fn large_batches_are_cut_into_parts_and_spooled() {
    let settings = Settings { append_buffer_bytes: 1 << 20, ..Settings::default() };
    let db = db_at("memory://", "2026-03-01", settings).await;
    let mut lines = String::new();
    for row in 0..300_000 {
        let day = 1 + row % 2 * 7;
        lines += &format!(
            "{{\"timestamp\":\"2026-02-0{day}T05:00:00Z\",\"organization_id\":\"o{}\",\"input_tokens\":{row}}}\n",
            row % 7
        );
    }
    let extra =
        "{\"timestamp\":\"2026-02-01T05:00:00Z\",\"organization_id\":\"a\",\"input_tokens\":1}\n";
    lines += &extra.repeat(150_000);
    let first = append(&db, "big", &lines).await;
    assert_eq!((first.rows, first.leaves, first.leaves_new), (450_000, 3, 3));
    let again = append(&db, "big", &lines).await;
    assert_eq!((again.leaves, again.leaves_new), (3, 0));
    let sql = "SELECT count(*) AS n, sum(input_tokens) AS s FROM ai_usage_log";
    let (text, _) = support::both(&db, sql).await;
    assert_eq!(text, format!("n,s\n450000,{}\n", 300_000_u64 * 299_999 / 2 + 150_000));
}

#[tokio::test]
async fn limits_hold() {
    let db = db_at("memory://", "2026-03-01", Settings::default()).await;
    assert!(BatchId::try_new("").is_err());
    let huge =
        format!("{{\"model\":\"{}\"}}\n{}", "x".repeat(65 << 20), ROWS.lines().next().unwrap());
    let rejects = Rejects::new(1, None).unwrap();
    let options = AppendOptions { rejects, ..AppendOptions::default() };
    let report = db.append(vec![Input::bytes("h.ndjson", huge)], options).await.unwrap();
    assert_eq!((report.rows, report.rejected), (1, 1));
    assert!(report.reject_reasons[0].contains("h.ndjson:1: the line is longer than 64 MiB"));
    let open = format!("timestamp,organization_id\n2026-01-01,\"{}", "x".repeat(70 << 20));
    let error = db.append(vec![Input::bytes("q.csv", open)], AppendOptions::default()).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("is a quote left open?"), "{error}");
}

#[test]
fn wrong_files_are_named() {
    let sandbox = Sandbox::new();
    sandbox.run(&["append", "nowhere.ndjson"]).failed(4, "nowhere.ndjson");
    let csv = sandbox.write("x.csv", "when,who\n1,2\n");
    sandbox.run(&["append", csv.to_str().unwrap()]).failed(3, "there is no field for `timestamp`");
    let parquet = sandbox.write("x.parquet", "PAR1 but no more");
    sandbox.run(&["append", parquet.to_str().unwrap()]).failed(5, "x.parquet: not a whole Parquet");
    let gzip = sandbox.write("x.ndjson.gz", [0x1f, 0x8b, 8, 0, 0]);
    sandbox.run(&["append", gzip.to_str().unwrap()]).failed(5, "x.ndjson.gz");
    assert!(sandbox.files("raw").is_empty());
}

#[test]
fn foreign_columns_are_mapped() {
    let sandbox = Sandbox::new();
    let map = sandbox.write(
        "map.toml",
        "[map]\ntimestamp = { from = \"t\", unit = \"ms\", origin = \"2026-01-24T00:00:00Z\" }\n\
         organization_id = { value = \"acme\" }\ninput_tokens = \"usage.prompt\"\n\
         output_tokens = \"usage.flat\"\n",
    );
    let rows =
        "{\"t\":27,\"usage\":{\"prompt\":12},\"usage.flat\":3}\n{\"t\":86400000,\"usage\":7}\n";
    let args = ["append", "--map", map.to_str().unwrap()];
    sandbox.run_with(&args, rows.as_bytes()).ok();
    let query = "SELECT timestamp, organization_id, input_tokens, output_tokens FROM ai_usage_log ORDER BY 1";
    let out = sandbox.run(&["query", query, "--format", "csv"]).ok().out;
    assert_eq!(
        out,
        "timestamp,organization_id,input_tokens,output_tokens\n\
         2026-01-24T00:00:00.027Z,acme,12,3\n2026-01-25T00:00:00Z,acme,,\n"
    );
}

#[test]
fn what_another_root_built_of_a_batch_of_the_same_id_is_never_current() {
    let (one, two) = (Small::new(), Small::new());
    one.append("batch", &["2026-01-03"], &["a", "b"], 1).ok();
    two.append("batch", &["2026-01-03"], &["a", "c"], 1000).ok();
    one.run("rollup").ok();
    for file in one.sandbox.files("rollups") {
        let copy = two.sandbox.root().join(file.strip_prefix(one.sandbox.root()).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(file, copy).unwrap();
    }
    assert_eq!(two.counts("auto"), ["2026-01-03 a 1", "2026-01-03 c 1"]);
    two.run("rollup").ok();
    assert_eq!(two.counts("rollup"), ["2026-01-03 a 1", "2026-01-03 c 1"]);
}

#[test]
fn rows_of_a_batch_whose_claim_was_lost_count_or_are_refused() {
    let small = Small::new();
    small.append("one", &["2026-01-03"], &["a", "b"], 1).ok();
    small.append("two", &["2026-01-03"], &["c"], 1).ok();
    small.run("rollup --compact").ok();
    small.run("gc --grace 0s").ok();
    fs::remove_dir_all(small.sandbox.root().join("batches")).unwrap();
    small.append("one", &["2026-01-03"], &["a", "b"], 1).ok();
    let expected = ["2026-01-03 a 1", "2026-01-03 b 1", "2026-01-03 c 1"];
    assert_eq!(small.counts("raw"), expected, "the same rows count once");
    small.append("two", &["2026-01-03"], &["d"], 1).ok();
    assert_eq!(small.counts("raw").len(), 4, "what was acknowledged counts");
}

#[test]
fn mended_rows_are_read_by_the_definition_of_now() {
    let small = Small::new();
    small.append_and_die("append.claim", "one", &["2026-01-03"], &["a"]);
    let more =
        "  { name = \"v\", type = \"integer\" },\n  { name = \"region\", type = \"text\" },\n";
    let more = SMALL_LOG.replace("  { name = \"v\", type = \"integer\" },\n", more);
    small.sandbox.write("more.toml", more);
    small.run("init --replace more.toml").ok();
    let row = br#"{"at":"2026-01-03T05:00:00Z","who":"b","v":1,"region":"eu"}"#;
    let append = || small.sandbox.run_with(&["append", "--batch", "one"], row);
    append().failed(6, "Append these rows again");
    append().ok();
    let ran = small.sandbox.run(&["query", "SELECT who, region FROM log", "--format", "csv"]).ok();
    assert_eq!(ran.out, "who,region\nb,eu\n");
}

#[test]
fn a_lost_first_claim_is_told_by_the_second() {
    let small = Small::new();
    small.append_and_die("append.claim", "one", &["2026-01-03"], &["a"]);
    small.append("one", &["2026-01-03"], &["b"], 1).ok();
    let first = small.sandbox.files("batches").into_iter();
    let first = first.filter(|file| file.to_str().unwrap().ends_with(".0.json"));
    first.for_each(|file| fs::remove_file(file).unwrap());
    small.append("one", &["2026-01-03"], &["b"], 1).failed(5, ".0.json");
    assert_eq!(small.counts("auto"), ["2026-01-03 b 1"]);
}
