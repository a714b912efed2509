//! Batches: what was appended, what is left of it, and how to take it back.

use crate::support::Sandbox;

fn rows(event: u32, days: &[u32]) -> String {
    let line = |day: &u32| {
        format!(
            "{{\"timestamp\":\"2026-01-{day:02}T10:00:00Z\",\"organization_id\":\"a\",\
             \"event_id\":\"e{event}-{day}\",\"cost\":1}}\n"
        )
    };
    days.iter().map(line).collect()
}

fn batches(sandbox: &Sandbox) -> serde_json::Value {
    let json = sandbox.run(&["batches", "--format", "json"]).ok().out;
    serde_json::from_str(&json).unwrap()
}

fn count(sandbox: &Sandbox) -> String {
    let sql = "SELECT count(*) AS n, sum(cost) AS c FROM ai_usage_log";
    let by = |route| {
        let ran = sandbox.run(&["query", sql, "--format", "csv", "--route", route]);
        ran.ok().out.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(by("auto"), by("raw"));
    by("raw")
}

#[test]
fn batches_are_listed_with_what_is_left_of_them() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append", "-", "--batch", "one"], rows(1, &[1, 2]).as_bytes()).ok();
    sandbox.run_with(&["append", "-", "--batch", "two"], rows(1, &[2, 3]).as_bytes()).ok();
    sandbox.run_with(&["append"], rows(9, &[3]).as_bytes()).ok();
    for merged in [false, true] {
        let found = batches(&sandbox);
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), 3);
        let of = |id: &str| found.iter().find(|batch| batch["id"] == id).unwrap();
        let (one, two) = (of("one"), of("two"));
        assert_eq!((&one["rows"], &two["rows"]), (&2.into(), &2.into()));
        // Of the event of January 2, one of two copies counts.
        let counted = |batch: &serde_json::Value| batch["counted"].as_u64().unwrap();
        assert_eq!(counted(one) + counted(two), 3);
        assert_eq!(
            (&one["first_day"], &one["last_day"]),
            (&"2026-01-01".into(), &"2026-01-02".into())
        );
        assert!(one["appended"].as_str().unwrap().starts_with("20"), "{one}");
        if !merged {
            sandbox.run(&["rollup"]).ok();
            sandbox.run(&["compact"]).ok();
        }
    }
    let table = sandbox.run(&["batches"]).ok().out;
    assert!(table.contains("│ one"), "{table}");
}

#[test]
fn a_batch_is_taken_back_for_good() {
    for when in ["loose", "rolled", "merged"] {
        let sandbox = Sandbox::new();
        let (one, two) = (rows(1, &[1, 2]), rows(1, &[2, 3]));
        sandbox.run_with(&["append", "-", "--batch", "one"], one.as_bytes()).ok();
        sandbox.run_with(&["append", "-", "--batch", "two"], two.as_bytes()).ok();
        assert_eq!(count(&sandbox), "3,3.000000000000");
        if when != "loose" {
            sandbox.run(&["rollup"]).ok();
        }
        if when == "merged" {
            sandbox.run(&["compact"]).ok();
        }
        let dry = sandbox.run(&["erase", "--batch", "two", "--dry-run"]).ok();
        assert!(dry.err.contains("2 days have such rows"), "{}", dry.err);
        sandbox.run(&["erase", "--batch", "two"]).ok();
        // The copy in the other batch counts now.
        assert_eq!(count(&sandbox), "2,2.000000000000", "{when}");
        let again = sandbox.run_with(&["append", "-", "--batch", "two"], two.as_bytes()).ok();
        assert!(again.err.contains("was appended before"), "{}", again.err);
        assert_eq!(count(&sandbox), "2,2.000000000000", "{when}");
        sandbox.run_with(&["append", "-", "--batch", "three"], two.as_bytes()).ok();
        assert_eq!(count(&sandbox), "3,3.000000000000", "{when}");
        sandbox.run(&["verify"]).ok();
        let two = batches(&sandbox);
        let two = two.as_array().unwrap().iter().find(|batch| batch["id"] == "two").unwrap();
        assert_eq!(two["rows"], 0);
    }
}

#[test]
fn what_is_no_batch_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append", "-", "--batch", "one"], rows(1, &[1]).as_bytes()).ok();
    let none = sandbox.run(&["erase", "--batch", "other"]).ok();
    assert!(none.err.contains("there are no such rows"), "{}", none.err);
    sandbox.run(&["erase", "--batch", ""]).failed(3, "is empty");
    sandbox.run(&["append", "-", "--set", "batch=x"]).failed(3, "`batch` is computed");
}
