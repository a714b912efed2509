//! Converts `object_store` errors to Tallybook's errors.

use object_store::Error as Store;

use crate::base::{Error, ErrorKind};

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
