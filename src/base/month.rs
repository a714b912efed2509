//! A calendar month of UTC dates.

use std::{fmt, str::FromStr};

use super::{Day, Error, Result, Span};

/// A calendar month of UTC dates; prints and parses as `YYYY-MM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    first: Day,
    last: Day,
}

impl Month {
    /// The month that contains `day`; `None` outside the calendar.
    #[must_use]
    pub fn of(day: Day) -> Option<Self> {
        let (first, next) = day.period("month")?;
        Some(Self { first, last: next.plus(-1) })
    }

    /// The month's first day.
    #[must_use]
    pub const fn first(self) -> Day {
        self.first
    }

    /// The month's last day.
    #[must_use]
    pub const fn last(self) -> Day {
        self.last
    }

    /// The whole month, as a half-open span.
    #[must_use]
    pub const fn span(self) -> Span {
        Span::of_days(self.first, self.last)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first.to_string();
        f.write_str(first.strip_suffix("-01").unwrap_or(&first))
    }
}

impl FromStr for Month {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let month = format!("{text}-01").parse().ok().and_then(Self::of);
        month.ok_or_else(|| Error::invalid(format!("`{text}` is not a month; write it as YYYY-MM")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_all_of_its_days() {
        let month = Month::of("2024-02-29".parse().unwrap()).unwrap();
        assert_eq!(month.to_string(), "2024-02");
        assert_eq!("2024-02".parse::<Month>().unwrap(), month);
        assert_eq!(
            (month.first().to_string(), month.last().to_string()),
            ("2024-02-01".to_owned(), "2024-02-29".to_owned())
        );
        assert_eq!(month.span(), Span::of_days(month.first(), month.last()));
        for wrong in ["2024-2", "2024-13", "2024-02-01", "2024", ""] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
