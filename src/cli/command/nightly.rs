//! `nightly`: what a scheduler runs.

use std::process::ExitCode;

use super::{gc, rollup};
use crate::{
    base::Result,
    cli::{
        args::{GcArgs, RollupArgs, RootArgs},
        exit, tell,
    },
    jobs::GcOptions,
};

/// Builds what finished days and months lack, merges days of many files, and deletes what is
/// replaced. A part that fails stops none of the others; the first failure is the exit code.
pub(super) async fn run(root: &RootArgs) -> Result<ExitCode> {
    let built = told(rollup::run(root, &RollupArgs::default()).await);
    let GcOptions { grace, abandoned, dry_run } = GcOptions::default();
    let deleted = told(gc::run(root, &GcArgs { grace, abandoned, dry_run }).await);
    Ok(if built == ExitCode::SUCCESS { deleted } else { built })
}

fn told(done: Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        tell(format_args!("tallybook: {error}"));
        exit::code_of(&error)
    })
}
