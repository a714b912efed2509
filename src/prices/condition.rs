//! When a price counts.

use crate::base::Day;

const MICROS_PER_MINUTE: i64 = 60_000_000;
const MICROS_PER_DAY: i64 = 24 * 60 * MICROS_PER_MINUTE;

/// The times at which a price counts, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Always,
    /// From the beginning of that day on.
    Since(Day),
    /// Between two times of each day, in microseconds of the day. The end is not included. An end
    /// before the start is one of the next day.
    Daily {
        start: i64,
        end: i64,
    },
}

impl Condition {
    /// Whether the price counts at that time, in microseconds since 1970.
    pub(super) fn is_met(self, micros: i64) -> bool {
        match self {
            Self::Always => true,
            Self::Since(day) => micros >= day.start_micros(),
            Self::Daily { start, end } => {
                let now = micros.rem_euclid(MICROS_PER_DAY);
                // From 00:00 to 00:00 is the whole day.
                if start < end { start <= now && now < end } else { start <= now || now < end }
            }
        }
    }

    /// Two times such as `16:30` and `00:30`, with or without seconds and `Z`.
    ///
    /// # Errors
    /// The reason why a text is no time of a day in UTC.
    pub(super) fn daily(start: &str, end: &str) -> Result<Self, String> {
        Ok(Self::Daily { start: time_of_day(start)?, end: time_of_day(end)? })
    }
}

fn time_of_day(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a time of a day in UTC, such as 16:30 or 16:30:00Z");
    let plain = text.trim().trim_end_matches('Z');
    let time = ["%H:%M:%S", "%H:%M"]
        .iter()
        .find_map(|form| chrono::NaiveTime::parse_from_str(plain, form).ok());
    let time = time.ok_or_else(wrong)?;
    let midnight = chrono::NaiveTime::MIN;
    time.signed_duration_since(midnight).num_microseconds().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_may_pass_midnight() {
        let at = |hour: i64, minute: i64| (hour * 60 + minute) * MICROS_PER_MINUTE;
        let night = Condition::daily("16:30", "00:30:00Z").unwrap();
        for (micros, met) in [
            (at(16, 29), false),
            (at(16, 30), true),
            (at(23, 59) - 3 * MICROS_PER_DAY, true),
            (at(0, 29), true),
            (at(0, 30), false),
        ] {
            assert_eq!(night.is_met(micros), met, "{micros}");
        }
        let day = Condition::daily("01:00:00Z", "04:00:00Z").unwrap();
        assert!(day.is_met(at(1, 0)) && !day.is_met(at(4, 0)) && !day.is_met(at(0, 59)));
        for wrong in ["24:00", "noon", "", "16", "16:30+01:00"] {
            assert!(Condition::daily(wrong, "00:00").is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_start_date_is_its_midnight_in_utc() {
        let day: Day = "2026-10-14".parse().unwrap();
        let since = Condition::Since(day);
        assert!(since.is_met(day.start_micros()) && !since.is_met(day.start_micros() - 1));
    }
}
