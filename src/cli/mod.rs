//! Floor 6: the command line. Flags, the environment, printing and exit codes live here alone.

mod args;
mod command;
mod exit;
mod render;
mod resolve;

use std::{io::Write as _, process::ExitCode, time::Duration};

use clap::Parser as _;

use crate::base::{Error, Result};

/// How long the work that is left gets to clean up after itself.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs the program with the process's arguments. The only way it ends.
#[must_use]
pub fn run() -> ExitCode {
    // Where a test makes this process die, if it does.
    let _steps = fail::FailScenario::setup();
    let args = args::Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(command::run(args));
            // What was dropped for a limit may be in the middle of something long.
            runtime.shutdown_timeout(SHUTDOWN);
            done
        }
        Err(error) => Err(Error::internal("starting the runtime").with_source(error)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            if !exit::is_closed_pipe(&error) {
                tell(format_args!("tallybook: {error}"));
            }
            exit::code_of(&error)
        }
    }
}

/// A line for people: everything that isn't data. With standard error gone there is nobody to tell.
fn tell(line: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A line of output.
fn say(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(exit::stdout_error)
}
