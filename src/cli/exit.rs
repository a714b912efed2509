//! Exit codes. Scripts rely on them.

use std::{error::Error as _, io, process::ExitCode};

use crate::base::{Error, ErrorKind};

/// `verify` found a difference, `status` a day that isn't served, or a `repair` wasn't confirmed.
pub(super) const NO: u8 = 1;

/// Whether the reader of standard output closed it. That is no failure: the reader has seen
/// enough.
pub(super) fn is_closed_pipe(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit code for an error. A closed pipe counts as success.
pub(super) fn code_of(error: &Error) -> ExitCode {
    if is_closed_pipe(error) { ExitCode::SUCCESS } else { ExitCode::from(number(error.kind())) }
}

/// The error for a failed write to standard output.
pub(super) fn stdout_error(error: io::Error) -> Error {
    Error::io("standard output", error)
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
}
