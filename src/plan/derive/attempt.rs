//! An attempt to serve a block from a rollup: it succeeds, is refused, or fails.

use datafusion::error::DataFusionError;

use crate::plan::Refusal;

/// The result of an attempt.
pub(in crate::plan) type Attempt<T> = Result<T, Stop>;

/// Why an attempt ended.
#[derive(Debug)]
pub(in crate::plan) enum Stop {
    /// No rollup can serve this way. Raw rows answer, and the query is no worse.
    Refused(Refusal),
    /// The plan is malformed. The query fails.
    Failed(DataFusionError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<DataFusionError> for Stop {
    fn from(error: DataFusionError) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::base::Error> for Stop {
    fn from(error: crate::base::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Splits the refusal of an attempt from its failure.
///
/// # Errors
/// The failure.
pub(in crate::plan) fn or_refusal<T>(
    attempt: Attempt<T>,
) -> Result<Result<T, Refusal>, DataFusionError> {
    match attempt {
        Ok(value) => Ok(Ok(value)),
        Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
        Err(Stop::Failed(error)) => Err(error),
    }
}
