//! The width of a rollup's time bucket.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MICROS_PER_DAY, Span};

/// The width of a rollup's buckets. Each grain divides the UTC day, so a bucket never leaves its
/// day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grain {
    /// Fifteen UTC minutes, for time zones whose offset is no whole hour.
    #[serde(rename = "15 minutes")]
    QuarterHour,
    /// One UTC hour.
    Hour,
    /// One UTC day.
    Day,
}

impl Grain {
    /// Bucket width in microseconds.
    #[must_use]
    pub const fn micros(self) -> i64 {
        match self {
            Self::QuarterHour => MICROS_PER_DAY / 96,
            Self::Hour => MICROS_PER_DAY / 24,
            Self::Day => MICROS_PER_DAY,
        }
    }

    /// The largest span of whole buckets inside `span`; empty when there is none.
    #[must_use]
    pub const fn whole_buckets(self, span: Span) -> Span {
        let width = self.micros();
        let start = match span.start.rem_euclid(width) {
            0 => span.start,
            over => span.start.saturating_add(width - over),
        };
        let end = span.end.saturating_sub(span.end.rem_euclid(width));
        if start < end { Span::new(start, end) } else { Span::EMPTY }
    }

    /// The grain's name in definitions and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QuarterHour => "15 minutes",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl fmt::Display for Grain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_buckets_shrink_to_the_grain() {
        let hour = Grain::Hour.micros();
        assert_eq!(Grain::Hour.whole_buckets(Span::new(1, 3 * hour)), Span::new(hour, 3 * hour));
        assert_eq!(Grain::Hour.whole_buckets(Span::new(-1, hour + 1)), Span::new(0, hour));
        assert!(Grain::Day.whole_buckets(Span::new(hour, 20 * hour)).is_empty());
    }
}
