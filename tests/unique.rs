//! Each event once: whichever copies come, in whatever order and batches, before and after every
//! job, by both routes.

use std::{collections::BTreeMap, fmt::Write as _};

use rand::{RngExt as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::support::Sandbox;

/// A row: event, day of January 2026, second, input and output tokens, project.
type Row = (Option<u32>, u32, u32, i64, Option<i64>, &'static str);

fn line((event, day, second, input, output, project): Row) -> String {
    let event = event.map_or_else(|| "null".to_owned(), |event| format!("\"e{event}\""));
    let output = output.map_or_else(|| "null".to_owned(), |output| output.to_string());
    let (minute, second) = (second / 60 % 60, second % 60);
    format!(
        "{{\"timestamp\":\"2026-01-{day:02}T10:{minute:02}:{second:02}Z\",\
         \"organization_id\":\"acme\",\"event_id\":{event},\"model\":\"m\",\
         \"input_tokens\":{input},\"output_tokens\":{output},\"project\":\"{project}\"}}\n"
    )
}

fn append(sandbox: &Sandbox, rows: &[Row]) -> String {
    let text = rows.iter().fold(String::new(), |mut text, row| {
        write!(text, "{}", line(*row)).unwrap();
        text
    });
    let path = sandbox.write("rows.ndjson", text);
    sandbox.run(&["append", path.to_str().unwrap()]).ok().err
}

const SUMS: &str = "SELECT count(*) AS n, coalesce(sum(input_tokens), 0) AS i, \
    coalesce(sum(output_tokens), 0) AS o FROM ai_usage_log";

/// The counts and sums, by both routes. They must agree.
fn sums(sandbox: &Sandbox) -> String {
    let by = |route| {
        let ran = sandbox.run(&["query", SUMS, "--format", "csv", "--route", route]);
        ran.ok().out.lines().nth(1).unwrap().to_owned()
    };
    let raw = by("raw");
    assert_eq!(by("auto"), raw);
    raw
}

/// What counts, by the rule alone: of rows of a day with equal event and input the one with the
/// greatest output, then the earliest.
fn expected(rows: &[Row]) -> String {
    let mut events: BTreeMap<(u32, u32, i64), (Option<i64>, u32)> = BTreeMap::new();
    let (mut calls, mut input, mut output) = (0, 0, 0);
    for (event, day, second, tokens, out, _) in rows {
        let Some(event) = event else {
            (calls, input, output) = (calls + 1, input + tokens, output + out.unwrap_or(0));
            continue;
        };
        let best = events.entry((*day, *event, *tokens)).or_insert((*out, *second));
        if *out > best.0 || *out == best.0 && *second < best.1 {
            *best = (*out, *second);
        }
    }
    for ((_, _, tokens), (out, _)) in events {
        (calls, input, output) = (calls + 1, input + tokens, output + out.unwrap_or(0));
    }
    format!("{calls},{input},{output}")
}

#[test]
fn the_copy_with_the_greatest_output_counts_whichever_came_first() {
    for (batches, calls) in [
        (
            vec![vec![(Some(1), 1, 0, 10, Some(5), "p"), (Some(1), 1, 60, 10, Some(9), "p")]],
            "1,10,9",
        ),
        (
            vec![vec![(Some(1), 1, 0, 10, Some(9), "p")], vec![(Some(1), 1, 0, 10, Some(5), "p")]],
            "1,10,9",
        ),
        (
            vec![vec![(Some(1), 1, 0, 10, Some(5), "p")], vec![(Some(1), 1, 0, 10, Some(9), "p")]],
            "1,10,9",
        ),
        // Rows without an event, and rows with other input, are calls of their own.
        (vec![vec![(None, 1, 0, 10, Some(5), "p"), (None, 1, 0, 10, Some(5), "p")]], "2,20,10"),
        (
            vec![vec![(Some(1), 1, 0, 10, Some(5), "p"), (Some(1), 1, 0, 20, Some(5), "p")]],
            "2,30,10",
        ),
        // A known output is more than none.
        (
            vec![vec![(Some(1), 1, 0, 10, None, "p")], vec![(Some(1), 1, 9, 10, Some(0), "p")]],
            "1,10,0",
        ),
        // Another day is another event.
        (
            vec![vec![(Some(1), 1, 0, 10, Some(5), "p"), (Some(1), 2, 0, 10, Some(5), "p")]],
            "2,20,10",
        ),
    ] {
        let sandbox = Sandbox::new();
        for batch in &batches {
            append(&sandbox, batch);
        }
        assert_eq!(sums(&sandbox), calls, "{batches:?}");
        sandbox.run(&["rollup"]).ok();
        assert_eq!(sums(&sandbox), calls, "{batches:?}");
        sandbox.run(&["rollup", "--compact"]).ok();
        assert_eq!(sums(&sandbox), calls, "{batches:?}");
        sandbox.run(&["verify"]).ok();
    }
}

/// Copies that differ in no column of the rule: the same one counts in every order.
#[test]
fn the_order_of_files_never_decides() {
    let rows = [(Some(1), 1, 0, 10, Some(5), "p"), (Some(1), 1, 0, 10, Some(5), "q")];
    let project = |order: [usize; 2]| {
        let sandbox = Sandbox::new();
        for at in order {
            append(&sandbox, &[rows[at]]);
        }
        let sql = "SELECT project FROM ai_usage_log";
        sandbox.run(&["query", sql, "--format", "csv"]).ok().out
    };
    assert_eq!(project([0, 1]), project([1, 0]));
    let sandbox = Sandbox::new();
    append(&sandbox, &rows);
    let sql = "SELECT project FROM ai_usage_log";
    assert_eq!(sandbox.run(&["query", sql, "--format", "csv"]).ok().out, project([0, 1]));
}

/// A transcript that grows: each night all of it is appended, and only what is new counts.
#[test]
fn a_log_that_grows_is_appended_every_night() {
    let sandbox = Sandbox::new();
    let row = |event: u32, output| (Some(event), 1 + event / 10, event, 100, Some(output), "p");
    let mut rows = Vec::new();
    for night in 0..4_u32 {
        // The last answer of yesterday goes on.
        if let Some(last) = rows.last_mut() {
            *last = row(night * 7 - 1, 40);
        }
        rows.extend((night * 7..night * 7 + 7).map(|event| row(event, 10)));
        let told = append(&sandbox, &rows);
        if night > 0 {
            assert!(told.contains("copies of known events"), "{told}");
            assert!(told.contains("7 events are new"), "{told}");
        }
        assert_eq!(sums(&sandbox), expected(&rows), "night {night}");
        sandbox.run(&["rollup", "--compact"]).ok();
        assert_eq!(sums(&sandbox), expected(&rows), "night {night}");
    }
    sandbox.run(&["verify"]).ok();
}

/// A late row that is no copy is read beside the rollup; a late copy makes the day be read raw,
/// until the next rollup.
#[test]
fn late_rows_cost_only_themselves_unless_they_are_copies() {
    let sandbox = Sandbox::new();
    let first = [(Some(1), 1, 0, 10, Some(5), "p"), (Some(2), 1, 1, 10, Some(7), "p")];
    append(&sandbox, &first);
    sandbox.run(&["rollup"]).ok();
    let explained = || sandbox.run(&["query", SUMS, "--explain"]).ok().out;
    append(&sandbox, &[(Some(3), 1, 2, 10, Some(1), "p")]);
    assert!(explained().contains("1 segment + 1 late leaf raw"), "{}", explained());
    assert_eq!(sums(&sandbox), "3,30,13");
    append(&sandbox, &[(Some(2), 1, 3, 10, Some(9), "p")]);
    assert!(explained().contains("1 day: 1 raw"), "{}", explained());
    assert_eq!(sums(&sandbox), "3,30,15");
    sandbox.run(&["rollup"]).ok();
    assert_eq!(sums(&sandbox), "3,30,15");
    assert!(explained().contains("route: rollup"), "{}", explained());
}

/// What was counted before a day was purged is known after it: a later copy never counts.
#[test]
fn copies_of_purged_events_never_count() {
    let sandbox = Sandbox::new();
    append(&sandbox, &[(Some(1), 1, 0, 10, Some(5), "p"), (None, 1, 0, 10, Some(1), "p")]);
    let purge = || {
        sandbox.run(&["rollup"]).ok();
        sandbox.run(&["purge", "--older-than", "30d"]).ok();
    };
    let totals = || {
        let ran = sandbox.run(&["query", SUMS, "--format", "csv"]);
        ran.ok().out.lines().nth(1).unwrap().to_owned()
    };
    purge();
    assert_eq!(totals(), "2,20,6");
    let told = append(&sandbox, &[(Some(1), 1, 9, 10, Some(9), "p")]);
    assert!(told.contains("1 row is a copy of known events"), "{told}");
    assert_eq!(totals(), "2,20,6");
    append(&sandbox, &[(Some(2), 1, 9, 10, Some(2), "p"), (Some(2), 1, 10, 10, Some(3), "p")]);
    assert_eq!(totals(), "3,30,9");
    purge();
    assert_eq!(totals(), "3,30,9");
    append(&sandbox, &[(Some(1), 1, 9, 10, Some(9), "p"), (Some(2), 1, 9, 10, Some(9), "p")]);
    assert_eq!(totals(), "3,30,9");
    sandbox.run(&["erase", "--where", "organization_id=nobody"]);
    purge();
    sandbox.run(&["gc", "--grace", "0s"]).ok();
    append(&sandbox, &[(Some(1), 1, 9, 10, Some(9), "p"), (Some(3), 1, 9, 10, Some(1), "p")]);
    assert_eq!(totals(), "4,40,10");
    sandbox.run(&["verify"]).ok();
}

/// Two late copies on a purged day are one event, with rollups and without.
#[test]
fn late_copies_on_a_purged_day_count_once() {
    let sandbox = Sandbox::new();
    let totals = || {
        let ran = sandbox.run(&["query", SUMS, "--format", "csv"]);
        ran.ok().out.lines().nth(1).unwrap().to_owned()
    };
    append(&sandbox, &[(Some(1), 1, 0, 10, Some(5), "p")]);
    sandbox.run(&["rollup"]).ok();
    sandbox.run(&["purge", "--older-than", "30d"]).ok();
    append(&sandbox, &[(Some(2), 1, 0, 10, Some(5), "p")]);
    sandbox.run(&["rollup"]).ok();
    append(&sandbox, &[(Some(2), 1, 1, 10, Some(9), "p")]);
    assert_eq!(totals(), "2,20,14");
    sandbox.run(&["rollup"]).ok();
    assert_eq!(totals(), "2,20,14");
    std::fs::remove_dir_all(sandbox.root().join("rollups")).unwrap();
    assert_eq!(totals(), "2,20,14");
}

/// An erasure takes the erased rows out before copies are compared.
#[test]
fn an_erasure_takes_no_row_of_others() {
    for purged in [false, true] {
        let sandbox = Sandbox::new();
        if purged {
            append(&sandbox, &[(Some(1), 1, 0, 10, Some(5), "p")]);
            sandbox.run(&["rollup"]).ok();
            sandbox.run(&["purge", "--older-than", "30d"]).ok();
        }
        let birch = line((Some(2), 1, 0, 10, Some(9), "p")).replace("acme", "birch");
        let rows = format!("{birch}{}", line((Some(2), 1, 1, 10, Some(7), "p")));
        let path = sandbox.write("both.ndjson", rows);
        sandbox.run(&["append", path.to_str().unwrap()]).ok();
        sandbox.run(&["erase", "--organization", "birch"]).ok();
        let ran = sandbox.run(&["query", SUMS, "--format", "csv"]);
        let totals = ran.ok().out.lines().nth(1).unwrap().to_owned();
        assert_eq!(totals, if purged { "2,20,12" } else { "1,10,7" });
    }
}

/// A definition that gets the rule counts each event once at once, before any job ran.
#[test]
fn a_rule_that_is_added_holds_at_once() {
    let sandbox = Sandbox::new();
    let definition = include_str!("../data/ai_usage.toml");
    let start = definition.find("[unique]").unwrap();
    let end = start + definition[start..].find("[[rollup]]").unwrap();
    let without = format!("{}{}", &definition[..start], &definition[end..]);
    let without = sandbox.write("without.toml", without);
    let with = sandbox.write("with.toml", definition);
    sandbox.run(&["init", without.to_str().unwrap()]).ok();
    let rows = [(Some(1), 1, 0, 10, Some(5), "p"), (Some(1), 1, 60, 10, Some(9), "p")];
    append(&sandbox, &rows);
    sandbox.run(&["rollup"]).ok();
    assert_eq!(sums(&sandbox), "2,20,14");
    sandbox.run(&["init", "--replace", with.to_str().unwrap()]).ok();
    assert_eq!(sums(&sandbox), "1,10,9");
    sandbox.run(&["rollup"]).ok();
    assert_eq!(sums(&sandbox), "1,10,9");
    sandbox.run(&["rollup", "--compact"]).ok();
    append(&sandbox, &[(Some(1), 1, 61, 10, Some(11), "p")]);
    assert_eq!(sums(&sandbox), "1,10,11");
}

/// Worlds of random copies, batches and jobs, against the rule alone.
#[test]
fn random_worlds_count_each_event_once() {
    for seed in 0..12 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let sandbox = Sandbox::new();
        let mut rows: Vec<Row> = Vec::new();
        for _ in 0..random.random_range(4..40) {
            let event =
                if random.random_ratio(1, 8) { None } else { Some(random.random_range(0..9)) };
            let output =
                if random.random_ratio(1, 8) { None } else { Some(random.random_range(0..4)) };
            let input = random.random_range(10..12);
            let project = if random.random_bool(0.5) { "p" } else { "q" };
            let (day, second) = (random.random_range(1..4), random.random_range(0..50));
            rows.push((event, day, second, input, output, project));
        }
        rows.shuffle(&mut random);
        let mut appended: Vec<Row> = Vec::new();
        while appended.len() < rows.len() {
            let count = random.random_range(1..=8).min(rows.len() - appended.len());
            let batch = &rows[appended.len()..appended.len() + count];
            append(&sandbox, batch);
            appended.extend(batch);
            assert_eq!(sums(&sandbox), expected(&appended), "seed {seed}");
            let job: &[&str] = match random.random_range(0..5) {
                0 => &["rollup"],
                1 => &["rollup", "--compact"],
                2 => &["gc", "--grace", "0s"],
                _ => continue,
            };
            sandbox.run(job).ok();
            assert_eq!(sums(&sandbox), expected(&appended), "seed {seed} {job:?}");
        }
        sandbox.run(&["rollup"]).ok();
        sandbox.run(&["verify"]).ok();
    }
}
