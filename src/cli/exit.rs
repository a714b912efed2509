//! Exit codes. Scripts rely on them.

use std::{error::Error as _, fmt, io, process::ExitCode};

use crate::base::{Error, ErrorKind, Result};

/// `verify` found a difference, `status` a day that isn't served, or a `repair` wasn't confirmed.
pub(super) const NO: u8 = 1;

/// Marks an error of standard output. A pipe that something else writes to, such as a file of bad
/// rows, may break, too, and that is a failure.
#[derive(Debug)]
struct StandardOutput(io::Error);

impl std::error::Error for StandardOutput {}

impl fmt::Display for StandardOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether the reader of standard output closed it. That is no failure: the reader has seen
/// enough.
pub(super) fn is_closed_pipe(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<StandardOutput>());
    source.is_some_and(|StandardOutput(error)| error.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit code of a job: that of the first failure, if there is one. Else the printing of the
/// reports decides.
///
/// # Errors
/// The error of standard output, when nothing failed.
pub(super) fn of_job(failures: &[Error], printed: Result<()>) -> Result<ExitCode> {
    match failures.first() {
        Some(failure) => Ok(code_of(failure)),
        None => printed.map(|()| ExitCode::SUCCESS),
    }
}

/// The exit code for an error. A closed pipe counts as success.
pub(super) fn code_of(error: &Error) -> ExitCode {
    if is_closed_pipe(error) { ExitCode::SUCCESS } else { ExitCode::from(number(error.kind())) }
}

/// The error for a failed write to standard output.
pub(super) fn stdout_error(error: io::Error) -> Error {
    let text = error.to_string();
    Error::unavailable(format!("standard output: {text}")).with_source(StandardOutput(error))
}

const fn number(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid => 3,
        ErrorKind::NotFound => 4,
        ErrorKind::Corrupt => 5,
        ErrorKind::Conflict => 6,
        ErrorKind::Unavailable => 7,
        ErrorKind::Limit => 8,
        ErrorKind::Internal => 70,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_code() {
        let codes = [
            (ErrorKind::Invalid, 3),
            (ErrorKind::NotFound, 4),
            (ErrorKind::Corrupt, 5),
            (ErrorKind::Conflict, 6),
            (ErrorKind::Unavailable, 7),
            (ErrorKind::Limit, 8),
            (ErrorKind::Internal, 70),
        ];
        for (kind, code) in codes {
            assert_eq!(number(kind), code, "{kind:?}");
        }
    }

    #[test]
    fn only_a_closed_standard_output_is_no_failure() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_closed_pipe(&stdout_error(broken())));
        assert!(!is_closed_pipe(&Error::io("bad.txt", broken())));
        assert!(!is_closed_pipe(&stdout_error(io::ErrorKind::StorageFull.into())));
        let failures = [Error::corrupt("a day")];
        assert_eq!(of_job(&failures, Err(stdout_error(broken()))).unwrap(), ExitCode::from(5));
    }
}
