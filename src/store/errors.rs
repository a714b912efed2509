//! Converts `object_store` errors to Tallybook's errors, and makes errors that several layers
//! report.

use std::{error::Error as StdError, io};

use object_store::{Error as Store, path::Path};

use crate::{
    base::{Error, ErrorKind},
    store::Root,
};

/// The kind of a store's error, by what a caller can do about the error.
#[must_use]
const fn store_error_kind(error: &Store) -> ErrorKind {
    match error {
        Store::NotFound { .. } => ErrorKind::NotFound,
        Store::AlreadyExists { .. } | Store::Precondition { .. } => ErrorKind::Conflict,
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

/// The kind of an error from reading a file. A local file that its permissions or its disk don't
/// let anyone read is like a damaged one: other files can be read, so the work on them goes on.
#[must_use]
pub(crate) fn read_error_kind(error: &Store) -> ErrorKind {
    const EIO: i32 = 5;
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>()
            && (io.kind() == io::ErrorKind::PermissionDenied || io.raw_os_error() == Some(EIO))
        {
            return ErrorKind::Corrupt;
        }
        cause = inner.source();
    }
    store_error_kind(error)
}

/// The error for a file that a day's manifest names and that is missing.
#[must_use]
pub(crate) fn lost_file(root: &Root, path: &Path) -> Error {
    let name = root.full_name(path);
    Error::corrupt(format!(
        "{name}: the day's manifest names this file, and it is gone; copy it again from a backup"
    ))
}

/// The store's error as a Tallybook error about `subject`, a file or a prefix.
#[must_use]
pub(crate) fn store_error(subject: &str, error: Store) -> Error {
    about(subject, store_error_kind(&error), error)
}

/// The store's error from reading `subject`, a file.
#[must_use]
pub(crate) fn read_error(subject: &str, error: Store) -> Error {
    about(subject, read_error_kind(&error), error)
}

fn about(subject: &str, kind: ErrorKind, error: Store) -> Error {
    let message = match &error {
        Store::NotFound { .. } => format!("{subject}: not found"),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            format!("{subject}: the store refused the credentials")
        }
        other => format!("{subject}: {other}"),
    };
    Error::new(kind, message).with_source(error)
}
