//! Every command of the README runs, and does what the README says.

use std::{fs, path::Path, process::Command};

use crate::support::{Sandbox, run};

/// The `sh` blocks, in order.
fn blocks() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(readme).unwrap();
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(text), line) => *text += &format!("{line}\n"),
            _ => {}
        }
    }
    blocks
}

#[test]
fn its_commands_run_in_order() {
    let sandbox = Sandbox::new();
    let program = Path::new(env!("CARGO_BIN_EXE_tallybook"));
    let mut ran = 0;
    for block in blocks() {
        // These commands build this program and run this test.
        if block.starts_with("cargo ") {
            continue;
        }
        let mut shell = Command::new("sh");
        let path =
            format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        shell.args(["-e", "-c", &block]).current_dir(sandbox.path("")).env("PATH", path);
        shell.env_remove("TALLYBOOK_ROOT");
        let result = run(shell, b"");
        assert_eq!(result.code, 0, "{block}\n{result:?}");
        ran += 1;
    }
    assert!(ran >= 4, "the README has {ran} blocks of commands");
}

#[test]
fn its_two_commands_are_there_and_ci_calls_the_test_one() {
    let blocks = blocks();
    let cargo: Vec<_> = blocks.iter().filter(|block| block.starts_with("cargo ")).collect();
    assert_eq!(cargo, ["cargo run --release -- demo\n", "cargo test --workspace\n"]);
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/run");
    assert!(fs::read_to_string(ci).unwrap().contains("\ncargo test --workspace\n"));
}
