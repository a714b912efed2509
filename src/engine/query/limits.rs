//! What a query may cost. A limit that is reached is an error, never a shorter answer.

use std::{
    future::Future,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use datafusion::execution::SessionState;
use futures::{
    FutureExt as _,
    channel::oneshot,
    future::{Either, Shared, select},
    pin_mut,
};

use crate::{
    base::{Error, Result, Settings},
    exec::Deadline,
};

/// The limits of one query, from the moment it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    time: Option<Arc<Alarm>>,
    rows_max: Option<u64>,
    rows: u64,
}

/// A query's time. A thread of its own waits for its end: the runtime's timers need a thread
/// that is free, and a query may hold all of them.
#[derive(Debug)]
struct Alarm {
    deadline: Deadline,
    over: Shared<oneshot::Receiver<()>>,
    /// Ends the thread when it is dropped.
    _stop: mpsc::Sender<()>,
}

impl Alarm {
    fn set(limit: Duration) -> Result<Self> {
        let deadline = Deadline::after(limit);
        let (ring, over) = oneshot::channel();
        let (stop, stopped) = mpsc::channel();
        let waiting = move || {
            if stopped.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _nobody_waits = ring.send(());
            }
        };
        let thread = thread::Builder::new().name("deadline".to_owned()).spawn(waiting);
        thread.map_err(|error| Error::unavailable(format!("can't start a thread: {error}")))?;
        Ok(Self { deadline, over: over.shared(), _stop: stop })
    }
}

impl Limits {
    /// Those of the settings, as of now.
    ///
    /// # Errors
    /// `Unavailable` when no thread can be started.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        // Whoever waits for more than a century sets no limit.
        let time = settings.query_timeout.filter(|limit| *limit < CENTURY);
        let time = time.map(Alarm::set).transpose()?.map(Arc::new);
        Ok(Self { time, rows_max: settings.max_result_rows, rows: 0 })
    }

    /// The work's result, if it ends in time; else it is dropped.
    ///
    /// # Errors
    /// The work's own, or `Limit`.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(alarm) = &self.time else { return work.await };
        pin_mut!(work);
        // The alarm is asked first: work that never waits would always be done before it.
        match select(alarm.over.clone(), work).await {
            Either::Left(_) => Err(alarm.deadline.missed()),
            Either::Right((result, _)) => result,
        }
    }

    /// Makes sure that there is time left, for work that doesn't wait.
    ///
    /// # Errors
    /// `Limit` when there is none.
    pub(crate) fn check_time(&self) -> Result<()> {
        self.time.as_ref().map_or(Ok(()), |alarm| alarm.deadline.check())
    }

    /// Makes that session's planning end in time, too.
    pub(crate) fn bound_planning(&self, state: &mut SessionState) {
        if let Some(alarm) = &self.time {
            alarm.deadline.bound_planning(state);
        }
    }

    /// Counts rows of the answer.
    ///
    /// # Errors
    /// `Limit` when they are too many.
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

/// About a hundred years.
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
