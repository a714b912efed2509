//! What an `object_store` error means to a caller.

use object_store::Error as Store;

use crate::base::{Error, ErrorKind};

/// What a caller can do about it.
#[must_use]
pub(crate) const fn store_error_kind(error: &Store) -> ErrorKind {
    match error {
        Store::NotFound { .. } => ErrorKind::NotFound,
        Store::AlreadyExists { .. } | Store::Precondition { .. } => ErrorKind::Conflict,
        Store::InvalidPath { .. } | Store::UnknownConfigurationKey { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

/// The error as Tallybook's, about that file or prefix.
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
