//! The period of a segment: a day or a month.

use std::fmt;

use crate::base::{Day, Month, Span};

/// A day or a month of UTC dates: the period of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A day.
    Day(Day),
    /// A month.
    Month(Month),
}

/// The length of a period. Each length has its own folders: `date=2026-01-24`, `month=2026-01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeriodLength {
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Period {
    /// The first day.
    #[must_use]
    pub const fn first(self) -> Day {
        match self {
            Self::Day(day) => day,
            Self::Month(month) => month.first(),
        }
    }

    /// The last day.
    #[must_use]
    pub const fn last(self) -> Day {
        match self {
            Self::Day(day) => day,
            Self::Month(month) => month.last(),
        }
    }

    /// The whole period, half-open.
    #[must_use]
    pub const fn span(self) -> Span {
        Span::of_days(self.first(), self.last())
    }

    /// Whether the day is in the period.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        (self.first()..=self.last()).contains(&day)
    }

    /// The name of the period's folder: `date=2026-01-24` or `month=2026-01`.
    #[must_use]
    pub(crate) fn folder(self) -> String {
        let length = match self {
            Self::Day(_) => PeriodLength::Day,
            Self::Month(_) => PeriodLength::Month,
        };
        format!("{}{self}", length.label())
    }
}

impl fmt::Display for Period {
    /// As `2026-01-24` or `2026-01`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::Month(month) => month.fmt(f),
        }
    }
}

impl PeriodLength {
    /// The start of the folder names of periods of this length: `date=` or `month=`.
    #[must_use]
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Day => "date=",
            Self::Month => "month=",
        }
    }

    /// The period of this length that contains `day`; `None` outside the calendar.
    #[must_use]
    pub(crate) fn around(self, day: Day) -> Option<Period> {
        match self {
            Self::Day => Some(Period::Day(day)),
            Self::Month => Month::of(day).map(Period::Month),
        }
    }

    /// The period whose folder has that name; `None` for a name of another kind.
    #[must_use]
    pub(crate) fn parse(self, folder: &str) -> Option<Period> {
        let name = folder.strip_prefix(self.label())?;
        match self {
            Self::Day => name.parse().ok().map(Period::Day),
            Self::Month => name.parse().ok().map(Period::Month),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_read_back() {
        let day: Day = "2026-01-24".parse().unwrap();
        let periods = [
            (PeriodLength::Day, Period::Day(day), "date=2026-01-24"),
            (PeriodLength::Month, Period::Month(Month::of(day).unwrap()), "month=2026-01"),
        ];
        for (length, period, folder) in periods {
            assert_eq!(length.around(day), Some(period));
            assert_eq!(period.folder(), folder);
            assert_eq!(length.parse(folder), Some(period));
            assert!(period.contains(day) && !period.contains(period.last().plus(1)));
        }
        assert_eq!(PeriodLength::Day.parse("month=2026-01"), None);
        assert_eq!(PeriodLength::Month.parse("month=2026-1"), None);
    }
}
