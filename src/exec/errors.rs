//! Conversions between DataFusion's errors and ours. Both directions preserve kind and cause.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::{
    base::{Error, ErrorKind},
    exec::messages::in_words,
    store::read_error_kind,
};

impl From<Error> for DataFusionError {
    /// Wraps our error in one of DataFusion's. The opposite conversion takes our error out again.
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<DataFusionError> for Error {
    /// Converts DataFusion's error to ours. If an error of ours is inside, its kind and message
    /// are preserved.
    fn from(error: DataFusionError) -> Self {
        ours(error)
    }
}

fn ours(error: DataFusionError) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<Error>() {
            return Error::new(ours.kind(), ours.to_string()).with_source(error);
        }
        if let Some(store) = inner.downcast_ref::<object_store::Error>() {
            return Error::new(read_error_kind(store), store.to_string()).with_source(error);
        }
        cause = inner.source();
    }
    let root = error.find_root();
    let message = in_words(&root.strip_backtrace());
    Error::new(kind_of(root), message).with_source(error)
}

/// Whether the message is about the query, though DataFusion reports a bug of its own: a window
/// over a time of day, a regular expression that is too large, or an argument of a type that the
/// function doesn't take.
fn is_of_the_query(message: &str) -> bool {
    ["Cannot run range queries on datatype", "CompiledTooBig", "failed to match any signature"]
        .iter()
        .any(|words| message.contains(words))
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    if is_of_the_query(&error.to_string()) {
        return ErrorKind::Invalid;
    }
    match error {
        DataFusionError::ParquetError(_) => ErrorKind::Corrupt,
        DataFusionError::ArrowError(error, _)
            if matches!(error.as_ref(), ArrowError::ParquetError(_)) =>
        {
            ErrorKind::Corrupt
        }
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Configuration(_)
        | DataFusionError::Execution(_)
        | DataFusionError::ArrowError(..)
        | DataFusionError::Diagnostic(..) => ErrorKind::Invalid,
        DataFusionError::ResourcesExhausted(_) => ErrorKind::Limit,
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}
