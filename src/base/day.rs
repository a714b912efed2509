//! A UTC calendar date. Raw rows and segments are stored by UTC date.

use std::{fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};

use super::{Error, Result, Span};

/// Microseconds in a UTC day. Computers count UTC without leap seconds.
pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;

/// A UTC date, as days since 1970-01-01; prints and parses as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day that is `days` after 1970-01-01, or before when `days` is negative.
    #[must_use]
    pub const fn from_epoch_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01, as in Arrow's `Date32`.
    #[must_use]
    pub const fn epoch_days(self) -> i32 {
        self.0
    }

    /// The UTC day of an instant in microseconds since the epoch. Saturates outside `Date32`.
    #[must_use]
    pub fn of_micros(micros: i64) -> Self {
        let days = micros.div_euclid(MICROS_PER_DAY);
        Self(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The first day of a month, where January is 1; `None` outside the calendar.
    #[must_use]
    pub fn first_of(year: i32, month: u32) -> Option<Self> {
        NaiveDate::from_ymd_opt(year, month, 1).map(|date| Self(date.to_epoch_days()))
    }

    /// The day's first microsecond, counted since the epoch. Saturates far outside the calendar.
    #[must_use]
    pub const fn start_micros(self) -> i64 {
        (self.0 as i64).saturating_mul(MICROS_PER_DAY)
    }

    /// The whole day, as a half-open span.
    #[must_use]
    pub const fn span(self) -> Span {
        Span::new(self.start_micros(), self.start_micros().saturating_add(MICROS_PER_DAY))
    }

    /// The day that is `days` later, or earlier when `days` is negative. Saturates.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from `self` to `other`; negative when `other` is earlier.
    #[must_use]
    pub const fn days_until(self, other: Self) -> i64 {
        other.0 as i64 - self.0 as i64
    }

    /// The first day of the period that `self` is in, and the first day of the next period.
    /// `unit` is `day`, `week` (from Monday), `month`, `quarter` or `year`. `None` for another
    /// unit or outside the calendar.
    #[must_use]
    pub fn period(self, unit: &str) -> Option<(Self, Self)> {
        let date = self.date()?;
        let months = |first: u32, count: u32| {
            let last = first + count > 12;
            let next = if last { (date.year() + 1, 1) } else { (date.year(), first + count) };
            Some((Self::first_of(date.year(), first)?, Self::first_of(next.0, next.1)?))
        };
        match unit {
            "day" => Some((self, self.plus(1))),
            "week" => {
                let monday = self.plus(-i32::try_from(self.weekday()).ok()?);
                Some((monday, monday.plus(7)))
            }
            "month" => months(date.month(), 1),
            "quarter" => months(date.month0() / 3 * 3 + 1, 3),
            "year" => months(1, 12),
            _ => None,
        }
    }

    fn date(self) -> Option<NaiveDate> {
        NaiveDate::from_epoch_days(self.0)
    }

    /// The year; `None` outside the calendar.
    #[must_use]
    pub fn year(self) -> Option<i32> {
        self.date().map(|date| date.year())
    }

    /// The day of the week, where Monday is 0.
    #[must_use]
    pub fn weekday(self) -> u32 {
        self.date().map_or(0, |date| date.weekday().num_days_from_monday())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date() {
            Some(date) => date.fmt(f),
            None => write!(f, "day {}", self.0),
        }
    }
}

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let exact = text.len() == 10;
        match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            Ok(date) if exact => Ok(Self(date.to_epoch_days())),
            _ => Err(Error::invalid(format!("`{text}` is not a date; write it as YYYY-MM-DD"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_parses() {
        for text in ["1969-12-31", "1970-01-01", "2024-02-29", "2026-12-31"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_date() {
        for text in ["", "2026-1-1", "2026-02-30", "20260101", "2026-01-01T00:00", "yesterday"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn instants_before_the_epoch_fall_on_the_earlier_day() {
        assert_eq!(Day::of_micros(-1), Day::from_epoch_days(-1));
        assert_eq!(Day::of_micros(0), Day::from_epoch_days(0));
        assert_eq!(Day::of_micros(MICROS_PER_DAY - 1), Day::from_epoch_days(0));
    }
}
