//! A half-open span of time, in microseconds since the epoch, UTC.

use super::{Day, MICROS_PER_DAY};

/// `[start, end)` in microseconds since the epoch, UTC. Empty when `end <= start`. `i64::MIN` and
/// `i64::MAX` stand for an open end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first microsecond inside the span.
    pub start: i64,
    /// The first microsecond after the span.
    pub end: i64,
}

impl Span {
    /// All of time.
    pub const ALL: Self = Self::new(i64::MIN, i64::MAX);
    /// No time at all.
    pub const EMPTY: Self = Self::new(0, 0);

    /// `[start, end)`.
    #[must_use]
    pub const fn new(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// From the first microsecond of `first` to the last microsecond of `last`: both days are
    /// included.
    #[must_use]
    pub const fn of_days(first: Day, last: Day) -> Self {
        Self::new(first.start_micros(), last.plus(1).start_micros())
    }

    /// From the first microsecond of `first` to the last microsecond of `last`. An end that isn't
    /// given is open.
    pub(crate) fn between(first: Option<Day>, last: Option<Day>) -> Self {
        let start = first.map_or(i64::MIN, Day::start_micros);
        Self::new(start, last.map_or(i64::MAX, |last| last.span().end))
    }

    /// Whether no instant is inside.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// The time that is inside both spans.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// The smallest span that contains both. An empty span adds nothing.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => Self::new(self.start.min(other.start), self.end.max(other.end)),
        }
    }

    /// Whether all of `other` is inside this span.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        other.is_empty() || (self.start <= other.start && other.end <= self.end)
    }

    /// The first and the last UTC day that the span touches; `None` when it is empty.
    #[must_use]
    pub fn day_bounds(self) -> Option<(Day, Day)> {
        (!self.is_empty()).then(|| (Day::of_micros(self.start), Day::of_micros(self.end - 1)))
    }

    /// The length in days, rounded up; `None` when an end is open.
    #[must_use]
    pub fn length_days(self) -> Option<i64> {
        if self.is_empty() {
            return Some(0);
        }
        if self.start == i64::MIN || self.end == i64::MAX {
            return None;
        }
        let micros = self.end.checked_sub(self.start)?;
        Some(micros / MICROS_PER_DAY + i64::from(micros % MICROS_PER_DAY > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn day_bounds_are_half_open() {
        let day: Day = "2026-01-24".parse().unwrap();
        assert_eq!(day.span().day_bounds(), Some((day, day)));
        assert_eq!(Span::of_days(day, day.plus(2)).day_bounds(), Some((day, day.plus(2))));
        assert_eq!(Span::EMPTY.day_bounds(), None);
    }

    #[test]
    fn a_microsecond_over_a_week_is_over_a_week() {
        let week = Span::new(0, 7 * MICROS_PER_DAY);
        assert_eq!(week.length_days(), Some(7));
        assert_eq!(Span::new(0, week.end + 1).length_days(), Some(8));
        assert_eq!(Span::new(0, i64::MAX).length_days(), None);
        assert_eq!(Span::new(5, 3).length_days(), Some(0));
    }

    #[test]
    fn hull_ignores_the_empty() {
        let span = Span::new(10, 20);
        assert_eq!(span.hull(Span::EMPTY), span);
        assert_eq!(Span::EMPTY.hull(span), span);
        assert_eq!(span.hull(Span::new(30, 40)), Span::new(10, 40));
    }
}
