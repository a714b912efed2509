//! The alarm that ends a query once its time is over or the process takes too much memory.

use std::{
    future::Future,
    sync::{Arc, OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use datafusion::execution::SessionState;
use futures::{
    FutureExt as _,
    channel::oneshot,
    future::{Either, Shared, select},
    pin_mut,
};
use memory_stats::memory_stats;

use crate::base::{Error, Result, Settings};

/// The time between two looks at the process's memory. A look takes about ten microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// About a hundred years. A timeout of this or more is no limit.
const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);

/// An alarm for one query. A separate thread watches over the limits: the runtime's timers need a
/// free thread, and a query may occupy all threads of the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    /// Why the alarm rang.
    why: Arc<OnceLock<String>>,
    rung: Shared<oneshot::Receiver<()>>,
    /// Dropping the last of these senders ends the thread.
    _stop: mpsc::Sender<()>,
}

/// The limits that an alarm watches over.
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// The time when the query's time is over, and the limit that was set for the query.
    time: Option<(Instant, Duration)>,
    process_memory: Option<usize>,
}

impl Alarm {
    /// An alarm for the limits in the settings; `None` if there are none. The query's time starts
    /// now.
    ///
    /// # Errors
    /// `Unavailable` when no thread can be started.
    pub(crate) fn set(settings: &Settings) -> Result<Option<Self>> {
        let limit = settings.query_timeout.filter(|limit| *limit < CENTURY);
        let time = limit.map(|limit| (Instant::now() + limit, limit));
        // Not every system tells how much memory the process takes.
        let process_memory = settings.process_memory_bytes.filter(|_| memory_stats().is_some());
        if time.is_none() && process_memory.is_none() {
            return Ok(None);
        }
        let (ring, rung) = oneshot::channel();
        let (stop, stopped) = mpsc::channel();
        let why = Arc::new(OnceLock::new());
        let watched = Watched { time, process_memory };
        let watching = {
            let why = Arc::clone(&why);
            move || {
                if let Some(reason) = watched.watch(&stopped) {
                    let _first = why.set(reason);
                    let _nobody_waits = ring.send(());
                }
            }
        };
        let thread = thread::Builder::new().name("alarm".to_owned()).spawn(watching);
        thread.map_err(|error| Error::unavailable(format!("can't start a thread: {error}")))?;
        Ok(Some(Self { why, rung: rung.shared(), _stop: stop }))
    }

    /// The result of `work`, if the work ends before the alarm rings. Otherwise the work is
    /// dropped.
    ///
    /// # Errors
    /// `Limit` when the alarm rings; otherwise the work's error.
    pub(crate) async fn bound<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        pin_mut!(work);
        // The alarm is polled first: work that never waits would otherwise always win.
        match select(self.rung.clone(), work).await {
            Either::Left(_) => self.check().and_then(|()| Err(Error::internal("a false alarm"))),
            Either::Right((result, _)) => result,
        }
    }

    /// Checks that the alarm hasn't rung. For work that never waits.
    ///
    /// # Errors
    /// `Limit` when the alarm has rung.
    pub(crate) fn check(&self) -> Result<()> {
        self.why.get().map_or(Ok(()), |why| Err(Error::limit(why.clone())))
    }

    /// Makes planning in this session fail once the alarm has rung.
    pub(crate) fn bound_planning(&self, state: &mut SessionState) {
        state.config_mut().options_mut().extensions.insert(self.clone());
    }
}

impl Watched {
    /// Waits until a limit is exceeded, and says which; `None` once nobody needs the alarm.
    fn watch(self, stopped: &mpsc::Receiver<()>) -> Option<String> {
        loop {
            let left = self.time.map(|(end, _)| end.saturating_duration_since(Instant::now()));
            let look = self.process_memory.map(|_| LOOK_EVERY);
            let wait = left.into_iter().chain(look).min().unwrap_or(CENTURY);
            if stopped.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
                return None;
            }
            let exceeded = self.time_exceeded().or_else(|| self.memory_exceeded());
            if exceeded.is_some() {
                return exceeded;
            }
        }
    }

    fn time_exceeded(self) -> Option<String> {
        let (end, limit) = self.time?;
        (end <= Instant::now()).then(|| {
            format!(
                "the query took longer than {limit:?}; ask for fewer days, or see --explain for \
                 why rollups don't serve"
            )
        })
    }

    fn memory_exceeded(self) -> Option<String> {
        let most = self.process_memory?;
        let taken = memory_stats()?.physical_mem;
        (taken > most).then(|| {
            format!(
                "the query made the process take more than {} MiB of memory; ask for fewer rows, \
                 columns or groups, or allow more memory (--memory)",
                most >> 20
            )
        })
    }
}
