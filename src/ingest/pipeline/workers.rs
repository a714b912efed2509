//! Runs work that keeps a core busy, with only as many pieces at once as there are cores to use.

use std::sync::Arc;

use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::base::{Error, Result};

/// Runs up to a fixed number of pieces of work at once, roughly in the order in which they came.
/// More threads would only evict each other's data from the CPU caches.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    permits: Arc<Semaphore>,
}

impl Workers {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// Queues a piece of work. The work starts on its own, and the future gives its result.
    ///
    /// # Errors
    /// The work's own error, or `Internal` when the work panics.
    pub(crate) fn start<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        let permits = Arc::clone(&self.permits);
        let started = tokio::spawn(async move {
            let permit = permits.acquire_owned().await;
            spawn_blocking(move || {
                let done = work();
                drop(permit);
                done
            })
            .await
        });
        async move {
            let ended = started.await.and_then(|ended| ended);
            ended.map_err(|error| Error::internal("appending").with_source(error))?
        }
    }
}
