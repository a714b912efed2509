//! Public traces of real AI calls, appended through a field map. Totals are compared with sums that
//! the test computes.

use crate::support::{Sandbox, traces_dir};

/// The totals of an hour, added up from the traces' own columns.
fn column_sums(text: &str, columns: [usize; 2]) -> (u64, u64, u64) {
    let mut sums = (0, 0, 0);
    for line in text.lines().skip(1) {
        let cells: Vec<_> = line.split(',').collect();
        sums.0 += 1;
        sums.1 += cells[columns[0]].parse::<u64>().unwrap();
        sums.2 += cells[columns[1]].parse::<u64>().unwrap();
    }
    sums
}

const TOTALS: &str = "SELECT count(*), sum(input_tokens), sum(output_tokens) FROM ai_usage_log";

fn totals(sandbox: &Sandbox, route: &str) -> String {
    let args = ["query", TOTALS, "--format", "csv", "--route", route];
    sandbox.run(&args).ok().out.lines().nth(1).unwrap().to_owned()
}

#[test]
fn azure_calls() {
    let Some(dir) = traces_dir() else {
        eprintln!("SKIPPED: azure_calls: the public traces are not here");
        return;
    };
    let sandbox = Sandbox::new();
    let mut sums = (0, 0, 0);
    for service in ["conv", "code"] {
        let path = dir.join(format!("azure_llm_{service}.csv"));
        let map = sandbox.write(
            "map.toml",
            format!(
                "[map]\ntimestamp = \"TIMESTAMP\"\ninput_tokens = \"ContextTokens\"\n\
                 output_tokens = \"GeneratedTokens\"\norganization_id = {{ value = \"azure\" }}\n\
                 operation = {{ value = \"{service}\" }}\n"
            ),
        );
        let args =
            ["append", path.to_str().unwrap(), "--map", map.to_str().unwrap(), "--batch", service];
        sandbox.run(&args).ok();
        let of = column_sums(&std::fs::read_to_string(path).unwrap(), [1, 2]);
        sums = (sums.0 + of.0, sums.1 + of.1, sums.2 + of.2);
    }
    assert_eq!(sums.0, 19_366 + 8_819);
    sandbox.run(&["rollup"]).ok();
    let expected = format!("{},{},{}", sums.0, sums.1, sums.2);
    for route in ["raw", "rollup"] {
        assert_eq!(totals(&sandbox, route), expected, "{route}");
    }
    sandbox.run(&["verify"]).ok();
}

#[test]
fn mooncake_calls() {
    let Some(dir) = traces_dir() else {
        eprintln!("SKIPPED: mooncake_calls: the public traces are not here");
        return;
    };
    let path = dir.join("mooncake_conversation.jsonl");
    let sandbox = Sandbox::new();
    let map = sandbox.write(
        "map.toml",
        "[map]\ntimestamp = { from = \"timestamp\", unit = \"ms\", origin = \"2024-06-21T23:30:00Z\" }\n\
         input_tokens = \"input_length\"\noutput_tokens = \"output_length\"\n\
         organization_id = { value = \"mooncake\" }\n",
    );
    sandbox.run(&["append", path.to_str().unwrap(), "--map", map.to_str().unwrap()]).ok();
    sandbox.run(&["rollup"]).ok();
    let (mut rows, mut input, mut output) = (0_u64, 0, 0);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let call: serde_json::Value = serde_json::from_str(line).unwrap();
        rows += 1;
        input += call["input_length"].as_u64().unwrap();
        output += call["output_length"].as_u64().unwrap();
    }
    for route in ["raw", "rollup"] {
        assert_eq!(totals(&sandbox, route), format!("{rows},{input},{output}"));
    }
    let days = "SELECT count(DISTINCT date) FROM ai_usage_log";
    let out = sandbox.run(&["query", days, "--format", "csv"]).ok().out;
    assert!(out.ends_with("\n2\n"), "an hour over midnight is of two days: {out}");
}
