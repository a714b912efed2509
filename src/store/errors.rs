//! Converts `object_store` errors to Tallybook's errors, and makes errors that several layers
//! report.

use object_store::{Error as Store, path::Path};

use crate::{
    base::{Error, ErrorKind},
    store::Root,
};

/// The kind of a store's error, by what a caller can do about the error.
#[must_use]
pub(crate) const fn store_error_kind(error: &Store) -> ErrorKind {
    match error {
        Store::NotFound { .. } => ErrorKind::NotFound,
        Store::AlreadyExists { .. } | Store::Precondition { .. } => ErrorKind::Conflict,
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
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
    let kind = store_error_kind(&error);
    let message = match &error {
        Store::NotFound { .. } => format!("{subject}: not found"),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            format!("{subject}: the store refused the credentials")
        }
        other => format!("{subject}: {other}"),
    };
    Error::new(kind, message).with_source(error)
}
