//! Time as an argument: the only place that reads the wall clock.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Day;

/// Tells the present instant. Everything that needs "now" takes one of these.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present instant, UTC.
    fn now(&self) -> DateTime<Utc>;

    /// Whether it tells another time than the world's, which no store's clock is compared with.
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

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub DateTime<Utc>);

impl FixedClock {
    /// Noon UTC of that day.
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
