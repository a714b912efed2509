//! Running a test many times, on all cores.

use tokio::runtime::{Builder, Runtime};

/// The number in an environment variable; `None` when the variable isn't set.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Runs `work` in `times` threads for each core.
pub(crate) fn on_all_cores(times: usize, work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores * times {
            scope.spawn(&work);
        }
    });
}

/// A runtime of one thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Prints a message when dropped before it is silenced, as by a panic: how to repeat the failure.
pub(crate) struct OnPanic(Option<String>);

impl OnPanic {
    pub(crate) fn say(words: String) -> Self {
        Self(Some(words))
    }

    pub(crate) fn silence(mut self) {
        self.0 = None;
    }
}

impl Drop for OnPanic {
    fn drop(&mut self) {
        if let Some(words) = &self.0 {
            eprintln!("{words}");
        }
    }
}
