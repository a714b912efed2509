//! The program: parse, run, exit code.

use std::process::ExitCode;

/// The system's own gives memory back at every turn, and takes turns between threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tallybook::cli::run()
}
