//! Limits on the cost of a query. Exceeding a limit is an error, never a shorter answer.

use std::future::Future;

use datafusion::execution::SessionState;

use crate::{
    base::{Error, Result, Settings},
    exec::Alarm,
};

/// The limits of one query.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// For the time and the memory.
    alarm: Option<Alarm>,
    rows_max: Option<u64>,
    rows: u64,
}

impl Limits {
    /// The limits in the settings. The query's time starts now.
    ///
    /// # Errors
    /// `Unavailable` when no thread can be started.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        Ok(Self { alarm: Alarm::set(settings)?, rows_max: settings.max_result_rows, rows: 0 })
    }

    /// The result of `work`, if the work ends within the limits of time and memory. Otherwise the
    /// work is dropped.
    ///
    /// # Errors
    /// `Limit` when the time is over or the memory is too much; otherwise the work's error.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.alarm {
            Some(alarm) => alarm.bound(work).await,
            None => work.await,
        }
    }

    /// The result of `work`, as a task of its own. Planning can be one long computation. In its own
    /// task it doesn't delay the end of the query.
    ///
    /// # Errors
    /// Those of `work`; `Internal` when `work` panics.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if self.alarm.is_none() {
            return work.await;
        }
        let done = tokio::spawn(work).await;
        done.map_err(|error| Error::internal("planning ended early").with_source(error))?
    }

    /// Checks that there is time and memory left. For work that never waits.
    ///
    /// # Errors
    /// `Limit` when the time is over or the memory is too much.
    pub(crate) fn check(&self) -> Result<()> {
        self.alarm.as_ref().map_or(Ok(()), Alarm::check)
    }

    /// Makes planning in that session fail once the time is over or the memory is too much.
    pub(crate) fn bound_planning(&self, state: &mut SessionState) {
        if let Some(alarm) = &self.alarm {
            alarm.bound_planning(state);
        }
    }

    /// Counts rows of the answer.
    ///
    /// # Errors
    /// `Limit` when the answer has too many rows.
    pub(crate) fn count(&mut self, rows: usize) -> Result<()> {
        self.rows += rows as u64;
        match self.rows_max {
            Some(max) if self.rows > max => Err(Error::limit(format!(
                "the answer has more than {max} rows; group them, or add a LIMIT"
            ))),
            _ => Ok(()),
        }
    }
}
