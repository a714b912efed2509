//! Time zones: when local days begin, and which UTC buckets lie in one local bucket each.

use std::{fmt, str::FromStr};

use chrono::{DateTime, FixedOffset, Offset as _, TimeZone as _, Utc};
use chrono_tz::Tz;

use super::{Day, Error, Grain, MICROS_PER_DAY, Result, Span};

const MICROS_PER_SECOND: i64 = 1_000_000;
const QUARTER_HOUR: i64 = MICROS_PER_DAY / 96;

/// Days up to this far before or after 1970 are certainly in the calendar. Their instants in
/// microseconds fit in an `i64`.
const CALENDAR_DAYS: i32 = 90_000_000;

/// A time zone: an IANA name such as `Europe/Berlin`, or a fixed offset such as `+05:30`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Clock);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Clock {
    Named(Tz),
    Fixed(FixedOffset),
}

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Self = Self(Clock::Named(Tz::UTC));

    /// Whether the zone is UTC, by name or by offset.
    #[must_use]
    pub fn is_utc(self) -> bool {
        match self.0 {
            Clock::Named(zone) => matches!(zone, Tz::UTC | Tz::Etc__UTC),
            Clock::Fixed(offset) => offset.local_minus_utc() == 0,
        }
    }

    /// The first instant of a local day, in microseconds since the epoch. This instant and all
    /// later ones, and no others, have that local date or a later one. `None` where the clock is
    /// set back over midnight, because no such instant exists then. Also `None` outside the
    /// calendar.
    #[must_use]
    pub fn day_start(self, day: Day) -> Option<i64> {
        if !(-CALENDAR_DAYS..CALENDAR_DAYS).contains(&day.epoch_days()) {
            return None;
        }
        let midnight = day.start_micros();
        let reached = |instant: i64| self.local_micros(instant) >= midnight;
        // No zone's clock was ever more than 26 hours from UTC.
        let (mut before, mut after) =
            (midnight - MICROS_PER_DAY - QUARTER_HOUR * 8, midnight + MICROS_PER_DAY);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if reached(middle) { after = middle } else { before = middle }
        }
        // Clocks are set by a few hours at most, and on whole minutes. A clock that is set back
        // over midnight is set near midnight. So four hours on either side are checked, minute by
        // minute.
        let once = (1..=240).all(|minute| {
            let minutes = minute * 60 * MICROS_PER_SECOND;
            !reached(after - 1 - minutes) && reached(after + minutes)
        });
        once.then_some(after)
    }

    /// Whether every UTC bucket of that grain inside `span` lies in one local bucket of that
    /// grain. For this, all offsets must be multiples of the grain, and may change only between
    /// buckets. Then a value that is constant over local buckets is constant over UTC buckets,
    /// too.
    #[must_use]
    pub fn keeps_buckets(self, grain: Grain, span: Span) -> bool {
        let fits = |instant: i64| self.offset_micros(instant) % grain.micros() == 0;
        let Some((first, last)) = span.day_bounds() else { return true };
        if let Clock::Fixed(_) = self.0 {
            return fits(span.start);
        }
        let mut day = first;
        while day <= last {
            let (start, end) = (day.start_micros(), day.span().end);
            let offset = self.offset_micros(start);
            if !fits(start) {
                return false;
            }
            if offset != self.offset_micros(end) {
                // The clock is set on this day. The change must be between two buckets.
                let quarters =
                    (0..MICROS_PER_DAY / QUARTER_HOUR).map(|at| start + at * QUARTER_HOUR);
                let mut after = quarters.map(|at| at + QUARTER_HOUR);
                let Some(change) = after.find(|at| self.offset_micros(*at) != offset) else {
                    return false;
                };
                let between = change % grain.micros() == 0
                    && self.offset_micros(change - 1) == offset
                    && fits(change);
                if !between {
                    return false;
                }
            }
            day = day.plus(1);
        }
        true
    }

    /// The local time at an instant, in microseconds since 1970-01-01 00:00 on the local clock.
    #[must_use]
    pub fn local_micros(self, instant: i64) -> i64 {
        instant.saturating_add(self.offset_micros(instant))
    }

    fn offset_micros(self, instant: i64) -> i64 {
        let at = DateTime::<Utc>::from_timestamp_micros(instant).unwrap_or_default().naive_utc();
        let seconds = match self.0 {
            Clock::Named(zone) => zone.offset_from_utc_datetime(&at).fix().local_minus_utc(),
            Clock::Fixed(offset) => offset.local_minus_utc(),
        };
        i64::from(seconds) * MICROS_PER_SECOND
    }
}

impl FromStr for Zone {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Ok(zone) = text.parse::<Tz>() {
            return Ok(Self(Clock::Named(zone)));
        }
        fixed(text).map(|offset| Self(Clock::Fixed(offset))).ok_or_else(|| {
            Error::invalid(format!(
                "time zone `{text}` is not a name like Europe/Berlin, nor an offset like +05:30"
            ))
        })
    }
}

fn fixed(text: &str) -> Option<FixedOffset> {
    if text == "Z" {
        return FixedOffset::east_opt(0);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
    let (hours, minutes) = (i32::from(number(hours)?), i32::from(number(minutes)?));
    (minutes < 60).then(|| FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))).flatten()
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Clock::Named(zone) => f.write_str(zone.name()),
            Clock::Fixed(offset) => write!(f, "{offset}"),
        }
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = MICROS_PER_DAY / 24;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn hours(zone: &str, date: &str) -> i64 {
        let (zone, date) = (self::zone(zone), day(date));
        (zone.day_start(date.plus(1)).unwrap() - zone.day_start(date).unwrap()) / HOUR
    }

    #[test]
    fn local_folders_have_23_to_25_hours() {
        assert_eq!(hours("Europe/Berlin", "2026-03-28"), 24);
        assert_eq!(hours("Europe/Berlin", "2026-03-29"), 23);
        assert_eq!(hours("Europe/Berlin", "2026-10-25"), 25);
        assert_eq!(hours("America/New_York", "2026-11-01"), 25);
        // The clock is set forward at midnight: the day begins at 01:00.
        assert_eq!(hours("Africa/Cairo", "2026-04-24"), 23);
        assert_eq!(zone("+05:30").day_start(day("2026-01-01")), {
            Some(day("2026-01-01").start_micros() - 11 * HOUR / 2)
        });
    }

    #[test]
    fn a_clock_set_back_over_midnight_has_no_first_instant() {
        // At 00:01 on that day the clock went back to 23:01.
        assert_eq!(zone("America/St_Johns").day_start(day("2010-11-07")), None);
        assert!(zone("America/St_Johns").day_start(day("2010-11-08")).is_some());
    }

    #[test]
    fn buckets_are_kept_where_offsets_are_multiples_and_change_between() {
        let year = Span::of_days(day("2026-01-01"), day("2026-12-31"));
        for (name, grain, kept) in [
            ("UTC", Grain::Day, true),
            ("Europe/Berlin", Grain::Hour, true),
            ("Europe/Berlin", Grain::Day, false),
            ("America/New_York", Grain::Hour, true),
            ("Asia/Kolkata", Grain::Hour, false),
            ("Asia/Kathmandu", Grain::Hour, false),
            ("Asia/Kathmandu", Grain::QuarterHour, true),
            ("Pacific/Chatham", Grain::QuarterHour, true),
            // Summer time is half an hour there.
            ("Australia/Lord_Howe", Grain::Hour, false),
            ("Australia/Lord_Howe", Grain::QuarterHour, true),
            ("-03:00", Grain::Hour, true),
            ("-03:30", Grain::Hour, false),
        ] {
            assert_eq!(zone(name).keeps_buckets(grain, year), kept, "{name} {grain}");
        }
        let winter = Span::of_days(day("2026-01-01"), day("2026-02-28"));
        assert!(zone("Europe/London").keeps_buckets(Grain::Day, winter));
        assert!(!zone("Europe/London").keeps_buckets(Grain::Day, year));
    }

    #[test]
    fn names_and_offsets() {
        for text in ["Europe/Berlin", "UTC", "+05:45", "-08:00"] {
            assert_eq!(zone(text).to_string(), text);
        }
        for text in ["", "Berlin", "+5", "5:30", "+05:75", "+99:00", "+é1:00"] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
        assert!(zone("Z").is_utc() && zone("+00:00").is_utc() && zone("Etc/UTC").is_utc());
    }
}
