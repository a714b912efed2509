//! Which days one request lists, and the names at which such a stretch of days begins and ends.

use object_store::path::Path;

use crate::base::Day;

/// About the largest number of stretches in one listing. More requests at once gain nothing.
const STRETCHES_MAX: i64 = 96;

/// The years of four digits. Their dates sort in the order of their names.
const NAMED_YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// The days from `reached` to `last`, in stretches. A page began with the day `from` and ended in
/// the day `reached`. A stretch has a few days less than a page, because days differ.
pub(super) fn stretches((from, reached): (Day, Day), last: Day) -> Vec<(Day, Day)> {
    let by_page = (from.days_until(reached) + 1) * 7 / 10;
    let days_left = reached.days_until(last) + 1;
    let length = by_page.max(days_left / STRETCHES_MAX).max(1);
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let mut stretches = Vec::new();
    let mut start = reached;
    while start <= last {
        stretches.push((start, last.min(start.plus(length - 1))));
        start = start.plus(length);
    }
    stretches
}

/// The first day of each month that has days among `first..=last`.
pub(super) fn months(first: Day, last: Day) -> Vec<Day> {
    let mut months = Vec::new();
    let mut next = first.period("month");
    while let Some((month, after)) = next.filter(|(month, _)| *month <= last) {
        months.push(month);
        next = after.period("month");
    }
    months
}

pub(super) fn day_name(folder: &Path, day: Day) -> String {
    format!("{folder}/date={day}")
}

/// The least text that is greater than all names in the day's folder.
pub(super) fn behind(folder: &Path, day: Day) -> String {
    // `0` is the next character after `/`.
    format!("{}0", day_name(folder, day))
}

pub(super) fn is_named(day: Day) -> bool {
    day.year().is_some_and(|year| NAMED_YEARS.contains(&year))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn stretches_are_all_days_from_where_the_page_ended() {
        for (from, reached, last, count) in [
            ("2026-01-01", "2026-10-27", "2026-12-31", 1),
            ("2026-01-01", "2026-07-19", "2026-12-31", 2),
            ("2026-01-01", "2026-01-04", "2026-12-31", 121),
            ("2026-01-01", "2026-01-01", "2026-01-01", 1),
        ] {
            let found = stretches((day(from), day(reached)), day(last));
            assert_eq!(found.len(), count, "{from} {reached}");
            let mut next = day(reached);
            for (first, end) in found {
                assert!(first == next && end >= first);
                next = end.plus(1);
            }
            assert_eq!(next, day(last).plus(1));
        }
    }

    #[test]
    fn months_are_all_that_the_days_are_in() {
        let found: Vec<_> = months(day("2025-11-24"), day("2026-02-01"));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01"]);
    }
}
