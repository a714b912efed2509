//! Time as an argument. Only `store/list/local_folders` and `store/cache/disk` also read the
//! machine's clock, to compare it with times of local files.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Day;

/// Gives the present instant. All code that needs "now" takes a clock as an argument.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present instant, UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Whether the clock's time may differ from the world's. A simulated clock is not compared
    /// with a store's clock.
    fn is_simulated(&self) -> bool {
        false
    }

    /// Today's UTC date.
    fn today(&self) -> Day {
        Day::of_micros(self.now().timestamp_micros())
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// A clock that always gives the same instant.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub DateTime<Utc>);

impl FixedClock {
    /// A clock that stands at noon UTC of `day`.
    #[must_use]
    pub fn noon_of(day: Day) -> Self {
        let noon = day.start_micros() + super::MICROS_PER_DAY / 2;
        Self(DateTime::from_timestamp_micros(noon).unwrap_or_default())
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }

    fn is_simulated(&self) -> bool {
        true
    }
}
