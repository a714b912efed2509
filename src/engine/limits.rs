//! What a question may cost. A limit that is reached is an error, never a shorter answer.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::base::{Error, Result, Settings};

/// The limits of one question, from the moment it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    time: Option<(Duration, Instant)>,
    rows_max: Option<u64>,
    rows: u64,
}

impl Limits {
    /// Those of the settings, as of now.
    pub(super) fn of(settings: &Settings) -> Self {
        let time = settings.question_timeout;
        let time = time.and_then(|limit| Some((limit, Instant::now().checked_add(limit)?)));
        Self { time, rows_max: settings.max_result_rows, rows: 0 }
    }

    /// The work's result, if it ends in time; else it is dropped.
    ///
    /// # Errors
    /// The work's own, or `Limit`.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some((limit, deadline)) = self.time else { return work.await };
        timeout_at(deadline, work).await.unwrap_or_else(|_| {
            Err(Error::limit(format!(
                "the question took longer than {limit:?}; ask for fewer days, or see --explain for \
                 why rollups don't serve"
            )))
        })
    }

    /// Counts rows of the answer.
    ///
    /// # Errors
    /// `Limit` when they are too many.
    pub(super) fn count(&mut self, rows: usize) -> Result<()> {
        self.rows += rows as u64;
        match self.rows_max {
            Some(max) if self.rows > max => Err(Error::limit(format!(
                "the answer has more than {max} rows; group them, or add a LIMIT"
            ))),
            _ => Ok(()),
        }
    }
}
