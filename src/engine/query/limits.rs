//! Limits on the cost of a query. Exceeding a limit is an error, never a shorter answer.

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

/// The limits of one query.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    time: Option<Arc<Alarm>>,
    rows_max: Option<u64>,
    rows: u64,
}

/// The alarm that ends a query. A separate thread waits for the deadline: the runtime's timers need
/// a free thread, and a query may occupy all threads of the runtime.
#[derive(Debug)]
struct Alarm {
    deadline: Deadline,
    over: Shared<oneshot::Receiver<()>>,
    /// Dropping this sender ends the thread.
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
    /// The limits in the settings. The query's time starts now.
    ///
    /// # Errors
    /// `Unavailable` when no thread can be started.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        // A timeout of a century or more is no limit.
        let time = settings.query_timeout.filter(|limit| *limit < CENTURY);
        let time = time.map(Alarm::set).transpose()?.map(Arc::new);
        Ok(Self { time, rows_max: settings.max_result_rows, rows: 0 })
    }

    /// The result of `work`, if the work ends in time. Otherwise the work is dropped.
    ///
    /// # Errors
    /// `Limit` when the time is over; otherwise the work's error.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(alarm) = &self.time else { return work.await };
        pin_mut!(work);
        // The alarm is polled first: work that never waits would otherwise always win.
        match select(alarm.over.clone(), work).await {
            Either::Left(_) => Err(alarm.deadline.missed()),
            Either::Right((result, _)) => result,
        }
    }

    /// Checks that there is time left. For work that never waits.
    ///
    /// # Errors
    /// `Limit` when the time is over.
    pub(crate) fn check_time(&self) -> Result<()> {
        self.time.as_ref().map_or(Ok(()), |alarm| alarm.deadline.check())
    }

    /// Makes planning in that session fail once the time is over.
    pub(crate) fn bound_planning(&self, state: &mut SessionState) {
        if let Some(alarm) = &self.time {
            alarm.deadline.bound_planning(state);
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

/// About a hundred years.
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
