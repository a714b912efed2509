//! SIGKILL at any point, and then a retry: the answers are as if nothing had been killed.

use std::{
    io::{Seek as _, Write as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tallybook::SampleLog;

use crate::support::{
    Ran, Sandbox, day,
    fake_store::{FakeStore, Fault},
    program, run,
};

const LOG: SampleLog = SampleLog { seed: 4, organizations: 5, rows_per_hour: 40 };
const REPORT: &str = "SELECT date, organization_id, count(*) AS n, sum(cost) AS c, avg(input_tokens) AS a \
                      FROM ai_usage_log GROUP BY 1, 2";

fn ten_days() -> String {
    let days = (0..10).map(|offset| day("2026-01-01").plus(offset));
    days.map(|day| LOG.hour(day, 11) + &LOG.hour(day, 15)).collect()
}

/// The input is a file: a program that hangs before it reads must not hang the test.
fn spawn(mut command: Command, input: &[u8]) -> Child {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    command.stdin(file).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// `Child::kill` is SIGKILL.
fn kill(mut child: Child) {
    drop(child.kill());
    child.wait().unwrap();
}

fn expected(rows: &str) -> String {
    let sandbox = Sandbox::new();
    sandbox.run_with(&["append", "--batch", "b"], rows.as_bytes()).ok();
    sandbox.run(&["query", REPORT, "--format", "csv", "--route", "raw"]).ok().out
}

#[test]
fn killed_at_any_time_on_a_local_disk() {
    let rows = ten_days();
    let expected = expected(&rows);
    let sandbox = Sandbox::new();
    let mut partial = 0;
    for step in 0..24 {
        let append = spawn(sandbox.command(&["append", "--batch", "b"]), rows.as_bytes());
        std::thread::sleep(Duration::from_millis(step * 3));
        kill(append);
        let leaves = sandbox.files("raw").len();
        partial += usize::from(leaves > 0 && leaves < 10);
    }
    sandbox.run_with(&["append", "--batch", "b"], rows.as_bytes()).ok();
    for step in 0..24 {
        let job = spawn(sandbox.command(&["rollup"]), b"");
        std::thread::sleep(Duration::from_millis(step * 6));
        kill(job);
        let found = sandbox.run(&["query", REPORT, "--format", "csv"]).ok().out;
        assert_eq!(found, expected, "after a job was killed at {} ms", step * 6);
    }
    sandbox.run(&["rollup"]).ok();
    let ran = sandbox.run(&["query", REPORT, "--format", "csv", "--stats"]).ok();
    assert_eq!(ran.out, expected);
    assert!(ran.err.contains("\"route\":\"rollup\""), "{}", ran.err);
    sandbox.run(&["verify"]).ok();
    eprintln!("48 kills, {partial} of them between the first and the last leaf");
}

/// Kills the program at every request that writes: the store does the write, and the program dies
/// before it gets the answer.
#[test]
fn killed_at_every_write_to_a_store() {
    let rows = ten_days();
    let expected = expected(&rows);
    for (nth, fault) in [0, 1, 2, 3, 7, 12]
        .into_iter()
        .flat_map(|nth| [(nth, Fault::Hang), (nth, Fault::ResetAfter)])
    {
        let store = FakeStore::start();
        let command = |args: &[&str]| {
            let mut command = program();
            command.envs(store.environment()).args(["--root", "s3://bucket/r"]).args(args);
            command
        };
        store.break_from("PUT", nth, fault);
        let append = spawn(command(&["append", "--batch", "b"]), rows.as_bytes());
        wait_for_puts(&store, nth + 1);
        kill(append);
        store.mend();
        run(command(&["append", "--batch", "b"]), rows.as_bytes()).ok();
        store.break_from("PUT", nth, fault);
        let job = spawn(command(&["rollup"]), b"");
        wait_for_puts(&store, store_puts(&store) + nth + 1);
        kill(job);
        store.mend();
        let ask = |args: &[&str]| -> Ran {
            run(command(&[&["query", REPORT, "--format", "csv"], args].concat()), b"").ok()
        };
        assert_eq!(ask(&[]).out, expected, "{nth} {fault:?}");
        run(command(&["rollup"]), b"").ok();
        assert_eq!(ask(&["--route", "rollup"]).out, expected, "{nth} {fault:?}");
    }
}

fn store_puts(store: &FakeStore) -> usize {
    store.log().iter().filter(|(method, _)| method == "PUT").count()
}

/// Waits until the store has seen that many writes, or so long that no more will arrive.
fn wait_for_puts(store: &FakeStore, puts: usize) {
    for _ in 0..100 {
        if store_puts(store) >= puts {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
