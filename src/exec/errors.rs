//! Conversions between DataFusion's errors and ours. Both directions preserve kind and cause.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;

use crate::{
    base::{Error, ErrorKind},
    store::store_error_kind,
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
            return Error::new(store_error_kind(store), store.to_string()).with_source(error);
        }
        cause = inner.source();
    }
    let root = error.find_root();
    let message = in_words(&root.strip_backtrace());
    Error::new(kind_of(root), message).with_source(error)
}

/// What DataFusion and arrow put in front of messages. It says where an error arose in their code.
const ORIGINS: [&str; 7] = [
    "Error during planning: ",
    "Schema error: ",
    "Execution error: ",
    "Arrow error: ",
    "Invalid argument error: ",
    "Cast error: ",
    "Compute error: ",
];

/// The message without its origin.
fn without_origin(message: &str) -> &str {
    let rest = ORIGINS.iter().find_map(|origin| message.strip_prefix(origin));
    rest.map_or(message, without_origin)
}

/// Adds what to do to messages of DataFusion that don't say it.
fn in_words(message: &str) -> String {
    let message = without_origin(message);
    if let Some(parsing) = message.strip_prefix("SQL error: ParserError(\"") {
        let what = parsing.strip_suffix("\")").unwrap_or(parsing).replace("\\\"", "\"");
        return format!("the SQL can't be parsed: {what}");
    }
    if message.contains("Divide by zero") {
        return "a division by zero; write x / nullif(y, 0), which is NULL then".to_owned();
    }
    if let Some(what) = message.strip_prefix("Arithmetic overflow: ") {
        return format!(
            "a number is beyond what its type can hold ({what}); cast the operands to a larger type \
             first, such as DECIMAL(38, 0) or DOUBLE"
        );
    }
    if message.contains("CompiledTooBig") {
        return "a regular expression is too large: its repetitions, such as {100}, multiply each \
                other; use fewer"
            .to_owned();
    }
    if message.ends_with("Timestamp out of range") {
        return format!(
            "{message}: a time plus an interval of days or months is no time of its zone, as clocks \
             are changed then; add hours, such as INTERVAL '24 hours'"
        );
    }
    // arrow-cast ends its message like this for a local time at which a zone's clocks are
    // changed.
    if !message.ends_with("error computing timezone offset") {
        return message.to_owned();
    }
    let time = message.split('\'').nth(1).unwrap_or_default();
    format!(
        "'{time}' is no time of its zone, or two of them, as clocks are changed then; write it with \
         an offset, such as '{time}+02:00'"
    )
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    // A window over a time of day, which DataFusion takes for a bug of its own.
    if error.to_string().contains("Cannot run range queries on datatype") {
        return ErrorKind::Invalid;
    }
    // DataFusion reports a regular expression that is too large as a bug of its own.
    if error.to_string().contains("CompiledTooBig") {
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
