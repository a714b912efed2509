//! Layer 7: the command line. Flags, the environment, printing and exit codes live only here.

mod args;
mod command;
mod exit;
mod logging;
mod render;
mod resolve;

use std::{io::Write as _, process::ExitCode, time::Duration};

use clap::Parser as _;

use crate::base::{Error, ErrorKind, Result};

/// How long unfinished work may take to clean up after itself.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// The same for a query that exceeded a limit. It may go on to take memory.
const SHUTDOWN_AT_LIMIT: Duration = Duration::from_millis(20);

/// The stack of a thread, as large as the main thread's. Plans are recursive.
const STACK_BYTES: usize = 8 << 20;

/// Runs the program with the process's arguments and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    // Reads from the environment at which failpoint a test wants this process to die, if any.
    let _steps = fail::FailScenario::setup();
    let args = args::Args::parse();
    if let Err(error) = logging::start(args.verbose, resolve::log_filter().as_deref()) {
        tell(format_args!("tallybook: {error}"));
        return exit::code_of(&error);
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().thread_stack_size(STACK_BYTES).build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(command::run(args));
            // Work that was dropped because of a limit may be in the middle of something long.
            let at_limit = done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Limit);
            runtime.shutdown_timeout(if at_limit { SHUTDOWN_AT_LIMIT } else { SHUTDOWN });
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

/// Prints a line to standard error, for people: everything that isn't data. A failure is ignored,
/// because nobody would see its message.
fn tell(line: impl std::fmt::Display) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Prints a line of data to standard output.
fn say(line: impl std::fmt::Display) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(exit::stdout_error)
}
