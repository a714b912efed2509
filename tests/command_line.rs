//! The program, as scripts and people use it.

use std::{io::Read as _, process::Stdio};

use tallybook::{Clock as _, Day, SampleLog, SystemClock};

use crate::support::{Sandbox, day, run, small::Small};

const LOG: SampleLog = SampleLog { seed: 8, organizations: 14, rows_per_hour: 12 };

/// A root with forty days up to yesterday, rolled up.
fn forty_days() -> (Sandbox, Day) {
    let sandbox = Sandbox::new();
    let today = SystemClock.today();
    let days = (1..=40).map(|back| today.plus(-back));
    let rows: String = days.map(|day| LOG.hour(day, 1) + &LOG.hour(day, 13)).collect();
    sandbox.run_with(&["append", "--batch", "forty"], rows.as_bytes()).ok();
    sandbox.run(&["rollup"]).ok();
    (sandbox, today)
}

#[test]
fn usage_of_an_organization_and_the_platform() {
    let (sandbox, today) = forty_days();
    let (from, to) = (today.plus(-40).to_string(), today.plus(-1).to_string());
    let both = |args: &[&str]| {
        let ask = |route: &str| {
            sandbox.run(&[args, &["--format", "csv", "--stats", "--route", route]].concat()).ok()
        };
        let (auto, raw) = (ask("auto"), ask("raw"));
        assert_eq!(auto.out, raw.out, "{args:?}");
        auto
    };
    let span = ["--from", from.as_str(), "--to", to.as_str()];
    let total = both(&[["usage", "platform"].as_slice(), &span].concat());
    assert!(
        total.err.contains("\"route\":\"rollup\",\"rollup_days\":40,\"raw_days\":0"),
        "{}",
        total.err
    );
    let header = "total_cost,total_calls,priced_calls,total_input_tokens,total_cached_tokens,\
                  total_output_tokens,avg_cache_hit_rate,token_cache_hit_rate,\
                  total_cost_priced,calls_with_price\n";
    assert!(total.out.starts_with(header), "{}", total.out);
    let by_day = both(&[["usage", "org", "org-000", "--by", "day"].as_slice(), &span].concat());
    assert_eq!(by_day.out.lines().count(), 41);
    assert!(by_day.out.starts_with("day,total_cost,total_calls,"));
    for by in ["hour", "week", "month", "year", "model", "operation", "provider", "status"] {
        both(&[["usage", "org", "org-001", "--by", by].as_slice(), &span].concat());
        both(&[["usage", "platform", "--by", by].as_slice(), &span].concat());
    }
    let top = both(
        &[["usage", "platform", "--by", "organization", "--top", "3"].as_slice(), &span].concat(),
    );
    let of_days =
        both(&[["usage", "platform", "--by", "day", "--top", "2"].as_slice(), &span].concat());
    assert_eq!(of_days.out.lines().count(), 4);
    assert!(of_days.out.contains("\nother (38),"), "{}", of_days.out);
    let lines: Vec<_> = top.out.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[4].starts_with("other (11),"), "{}", top.out);
    let calls: u64 =
        lines[1..].iter().map(|line| line.split(',').nth(2).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(calls.to_string(), total.out.lines().nth(1).unwrap().split(',').nth(1).unwrap());
    let last =
        sandbox.run(&["usage", "platform", "--last", "7d", "--stats", "--format", "csv"]).ok();
    assert!(last.err.contains("\"route\":\"raw\""), "{}", last.err);
    let people = sandbox.run(&["usage", "platform", "--last", "30d"]).ok();
    assert!(people.out.contains("other (4)"), "{}", people.out);
    assert!(people.err.contains("29 days from rollups, 0 days with raw rows"), "{}", people.err);
    sandbox.run(&["usage", "org", "x", "--by", "cost"]).failed(3, "can't group by `cost`");
    sandbox.run(&["usage", "org", "x", "--last", "soon"]).failed(3, "--last");
    for command in [&["usage", "org", "x"][..], &["verify"], &["files"], &["rollup"], &["compact"]]
    {
        let swapped = [command, &["--from", &to, "--to", &from]].concat();
        sandbox.run(&swapped).failed(3, "is before --from");
    }
}

#[test]
fn an_explanation_in_words_and_as_json() {
    let (sandbox, today) = forty_days();
    let late = LOG.hour(today.plus(-5), 2);
    sandbox.run_with(&["append"], late.as_bytes()).ok();
    let segment = &sandbox.files("rollups/org_daily")[3];
    std::fs::remove_file(segment).unwrap();
    for other in ["org_hourly", "chargeback_daily", "users_daily"] {
        std::fs::remove_file(&sandbox.files(&format!("rollups/{other}"))[3]).unwrap();
    }
    let query = "SELECT organization_id, sum(cost) FROM ai_usage_log GROUP BY 1";
    let words = sandbox.run(&["query", query, "--explain"]).ok().out;
    let cover = "40 days: 38 from org_daily, 1 raw (no segment), 1 segment + 1 late leaf raw";
    assert!(words.starts_with("route: mixed\n") && words.contains(cover), "{words}");
    assert!(words.contains("platform_daily: organization_id is not a dimension"), "{words}");
    let json = sandbox.run(&["query", query, "--explain", "--format", "json"]).ok().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["blocks"][0]["cover"], cover);
}

#[test]
fn answers_in_every_format() {
    let sandbox = Sandbox::new();
    let row = "{\"timestamp\":\"2026-01-24T09:30:00Z\",\"organization_id\":\"a,b\",\"cost\":0.5}\n";
    sandbox.run_with(&["append"], row.as_bytes()).ok();
    let query = "SELECT timestamp, organization_id, model, cost, input_tokens FROM ai_usage_log";
    let ask = |format: &str| sandbox.run(&["query", query, "--format", format]).ok().out;
    assert_eq!(
        ask("csv"),
        "timestamp,organization_id,model,cost,input_tokens\n2026-01-24T09:30:00Z,\"a,b\",,0.500000000000,\n"
    );
    let line = "{\"timestamp\":\"2026-01-24T09:30:00Z\",\"organization_id\":\"a,b\",\"model\":null,\"cost\":0.500000000000,\"input_tokens\":null}";
    assert_eq!(ask("ndjson"), format!("{line}\n"));
    assert_eq!(ask("json"), format!("[{line}]\n"));
    assert!(
        ask("table").contains("│ 2026-01-24T09:30:00Z ┆ a,b             ┆       ┆ 0.50 ┆"),
        "{}",
        ask("table")
    );
    assert!(ask("parquet").starts_with("PAR1"));
    let none = "SELECT model FROM ai_usage_log WHERE cost > 1";
    assert_eq!(sandbox.run(&["query", none, "--format", "csv"]).ok().out, "model\n");
    assert_eq!(sandbox.run(&["query", none, "--format", "json"]).ok().out, "[]\n");
}

#[test]
fn queries_from_files_by_name_and_with_parameters() {
    let (sandbox, _) = forty_days();
    let file = sandbox
        .write("q.sql", "SELECT count(*) AS n FROM ai_usage_log WHERE organization_id = $org");
    let file = file.to_str().unwrap();
    let count = |org: &str| {
        let param = format!("org={org}");
        sandbox.run(&["query", "-f", file, "--param", &param, "--format", "csv"]).ok().out
    };
    assert_ne!(count("org-000"), "n\n0\n");
    assert_eq!(count("' OR 1=1 --"), "n\n0\n");
    let named = [
        "query",
        "--name",
        "usage_by",
        "--param",
        "by=month",
        "--param",
        "from=2020-01-01",
        "--param",
        "to=2030-01-01",
    ];
    assert!(sandbox.run(&named).ok().out.contains("total_cost"));
    sandbox.run(&["query", "--name", "usage_by"]).failed(3, "needs --param by=…");
    sandbox
        .run(&["query", "--name", "nope"])
        .failed(4, "no query `nope`; there are: chargeback, usage_total");
    sandbox
        .run(&["query", "--name", "usage_total", "--param", "x=1"])
        .failed(3, "has no parameter `x`");
    sandbox.run(&["query", "SELECT $x", "--param", "x"]).failed(3, "is not name=value");
}

#[test]
fn exit_codes() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["nonsense"]).code, 2);
    assert_eq!(sandbox.run(&["query"]).code, 2);
    assert_eq!(sandbox.run(&["--version"]).code, 0);
    sandbox.run(&["query", "SELECT 1"]).failed(4, "there is no dataset at");
    sandbox.run(&["init"]).ok();
    sandbox.run(&["query", "SELEC 1"]).failed(3, "can't be parsed");
    sandbox.run(&["query", "SELECT nope FROM ai_usage_log"]).failed(3, "nope");
    sandbox.run(&["query", "SELECT 1", "--route", "fast"]).failed(2, "is not auto, raw or rollup");
    sandbox.run(&["usage", "platform"]).ok();
    assert_eq!(sandbox.run(&["status"]).code, 0, "nothing is missing of nothing");
    sandbox.run(&["rollup", "--name", "nope"]).failed(4, "no rollup `nope`");
}

#[test]
fn a_closed_pipe_is_success() {
    let (sandbox, _) = forty_days();
    let mut command = sandbox.command(&[
        "query",
        "SELECT * FROM ai_usage_log a, (SELECT 1) b",
        "--format",
        "csv",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn units_for_schedulers() {
    let sandbox = Sandbox::new();
    let root = sandbox.root().display().to_string();
    let unit = |name: &str| sandbox.run(&["schedule", name]).ok().out;
    let systemd = unit("systemd");
    assert!(systemd.contains("OnCalendar=*-*-* 01:00:00 UTC"));
    assert!(systemd.contains(&format!("--root \"{root}\" nightly")));
    let cron = unit("cron");
    assert!(
        cron.contains("CRON_TZ=UTC\n0 1 * * * ")
            && cron.contains(&format!("--root '{root}' nightly"))
    );
    let kubernetes = unit("kubernetes");
    assert!(kubernetes.contains("schedule: \"0 1 * * *\"\n  timeZone: Etc/UTC"));
    assert!(kubernetes.contains(&format!("args: [\"--root\", \"{root}\", \"nightly\"]")));
}

#[test]
fn the_demo_runs_and_runs_again() {
    let sandbox = Sandbox::new();
    let args = ["demo", "--days", "12", "--organizations", "5", "--rows-per-hour", "2"];
    let first = sandbox.run(&args).ok();
    assert!(first.out.contains("Both give the same answer, to the last digit."), "{}", first.out);
    assert!(first.out.contains("US dollars a day:") && first.out.contains('█'), "{}", first.out);
    let files = sandbox.files("");
    sandbox.run(&args).ok();
    assert_eq!(sandbox.files(""), files);
    sandbox.run(&["status"]).ok();
}

#[test]
fn listed_files_are_the_live_ones() {
    let sandbox = Sandbox::new();
    for (batch, day) in [("a", day("2026-01-24")), ("b", day("2026-01-25"))] {
        sandbox.run_with(&["append", "--batch", batch], LOG.hour(day, 9).as_bytes()).ok();
    }
    let all = sandbox.run(&["files"]).ok().out;
    let listed: Vec<_> = all.lines().map(std::path::PathBuf::from).collect();
    assert_eq!(listed, sandbox.files("raw"));
    let one = sandbox.run(&["files", "--from", "2026-01-25", "--to", "2026-01-25"]).ok().out;
    assert_eq!(one.lines().count(), 1);
}

#[test]
fn two_appenders_at_once_both_count() {
    let sandbox = Sandbox::new();
    let rows = |hour| LOG.hour(day("2026-01-24"), hour);
    std::thread::scope(|scope| {
        for hour in 0..6 {
            let sandbox = &sandbox;
            scope.spawn(move || {
                let command = sandbox.command(&["append", "--batch", &format!("h{hour}")]);
                run(command, rows(hour).as_bytes()).ok();
            });
        }
    });
    let expected: usize = (0..6).map(|hour| rows(hour).lines().count()).sum();
    let out =
        sandbox.run(&["query", "SELECT count(*) FROM ai_usage_log", "--format", "csv"]).ok().out;
    assert_eq!(out, format!("count(*)\n{expected}\n"));
}

#[test]
fn logging_is_off_unless_it_is_asked_for() {
    let small = Small::new();
    small.append("one", &["2026-01-03"], &["a"], 1).ok();
    let quiet = small.run("rollup --dry-run").ok();
    assert!(!quiet.err.contains("INFO"), "{quiet:?}");
    let told = small.run("rollup -v").ok();
    assert!(told.err.contains("INFO rollup: tallybook::jobs::report: job report"), "{told:?}");
    assert!(told.err.contains("period=2026-01-03 subject=\"by_who\""), "{told:?}");
    assert_eq!(told.out.lines().count(), 1, "{told:?}");
    let sql = ["query", "SELECT count(*) FROM log", "--format", "csv"];
    let mut command = small.sandbox.command(&sql);
    command.env("RUST_LOG", "tallybook=debug");
    let told = run(command, b"").ok();
    assert!(
        told.out == "count(*)\n1\n" && told.err.contains("query answered route=\"rollup\""),
        "{told:?}"
    );
    assert!(told.err.contains("planned cover=1 day: 1 from by_who"), "{told:?}");
    let mut command = small.sandbox.command(&sql);
    command.env("RUST_LOG", "a=b=c");
    run(command, b"").failed(3, "RUST_LOG=`a=b=c`");
}

#[test]
fn days_without_rows_are_shown_when_asked_for() {
    let sandbox = Sandbox::new();
    let row = |day: u32| {
        format!(
            "{{\"timestamp\":\"2026-01-{day:02}T10:00:00Z\",\"organization_id\":\"a\",\
             \"input_tokens\":5}}\n"
        )
    };
    sandbox.run_with(&["append"], (row(2) + &row(4)).as_bytes()).ok();
    let args =
        ["usage", "platform", "--from", "2026-01-01", "--to", "2026-01-05", "--format", "csv"];
    let filled = sandbox.run(&[args.as_slice(), &["--by", "day", "--fill"]].concat()).ok().out;
    let days: Vec<_> = filled.lines().skip(1).collect();
    assert_eq!(
        days,
        [
            "2026-01-01,,,,,,,,,,false",
            "2026-01-02,,1,0,5,,,,,0,true",
            "2026-01-03,0.000000000000,0,0,0,0,0,,0.000000000000,0,true",
            "2026-01-04,,1,0,5,,,,,0,true",
            "2026-01-05,,,,,,,,,,false",
        ]
    );
    let other = sandbox.run(&[
        "usage",
        "org",
        "b",
        "--from",
        "2026-01-03",
        "--to",
        "2026-01-03",
        "--by",
        "day",
        "--fill",
        "--format",
        "csv",
    ]);
    assert!(
        other.ok().out.ends_with("2026-01-03,0.000000000000,0,0,0,0,0,,0.000000000000,0,true\n")
    );
    let by_model = sandbox.run(&[args.as_slice(), &["--by", "model", "--fill"]].concat());
    by_model.failed(3, "--fill shows days without rows");
    sandbox.run(&[args.as_slice(), &["--fill"]].concat()).failed(2, "--by");
}
