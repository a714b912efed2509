//! The branches of a covered block: which files are read together, and within which instants.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    base::{Day, Spans},
    model::{Leaf, Period, Rollup, SegmentFile},
    plan::{Cover, Source},
};

/// Files that are read alike: in full, or only within some spans.
pub(in crate::plan) struct Branch<T> {
    pub(in crate::plan) within: Option<Spans>,
    pub(in crate::plan) files: Vec<T>,
}

/// Groups the rollup's segments in the cover into branches. A segment that answers all of its
/// day or month is read in full.
pub(in crate::plan) fn segment_branches(
    cover: &Cover,
    rollup: &Rollup,
) -> Vec<Branch<Arc<SegmentFile>>> {
    let mut parts = BTreeMap::new();
    for piece in &cover.pieces {
        if let Source::Segment { rollup: name, segment, .. } = &piece.source
            && name == rollup.name()
        {
            let part = parts.entry(&segment.file.location);
            let (_, days, spans) = part.or_insert_with(|| (segment, Vec::new(), Vec::new()));
            days.push(piece.day.span());
            spans.push(piece.span);
        }
    }
    branches(parts.into_values().map(|(segment, days, spans)| {
        // A day without a piece has no rows. A month may be read in full only if the query
        // asks for all of it, and no other source answers a day of it.
        let wanted = match segment.period {
            Period::Day(_) => Spans::union_of(days),
            Period::Month(_) if is_all_of_its_period(cover, segment) => Spans::union_of(days),
            Period::Month(_) => Spans::all(),
        };
        Answering {
            file: Arc::clone(segment),
            day: segment.period.first(),
            wanted,
            answered: Spans::union_of(spans),
        }
    }))
}

/// Whether the query asks for all of the segment's period, and no other source answers a day
/// of it.
fn is_all_of_its_period(cover: &Cover, segment: &SegmentFile) -> bool {
    let whole = segment.period.span();
    let mut pieces = cover.pieces.iter();
    cover.spans.within(whole).eq([whole])
        && pieces.all(|piece| match &piece.source {
            Source::Segment { segment: other, .. } if other.file == segment.file => true,
            _ => !whole.contains(piece.day.span()),
        })
}

/// Groups the raw leaves in the cover into branches. A leaf that answers everything that the
/// query wants of its day is read in full: the block's own filter does the rest.
pub(in crate::plan) fn raw_branches(cover: &Cover) -> Vec<Branch<Arc<Leaf>>> {
    let mut parts = BTreeMap::new();
    for piece in &cover.pieces {
        if let Source::Leaves { leaves, .. } = &piece.source {
            for leaf in leaves {
                let part = parts.entry((piece.day, leaf.id.as_str()));
                part.or_insert_with(|| (leaf, Vec::new())).1.push(piece.span);
            }
        }
    }
    branches(parts.into_iter().map(|((day, _), (leaf, spans))| Answering {
        file: Arc::clone(leaf),
        day,
        wanted: Spans::union_of(cover.spans.within(day.span())),
        answered: Spans::union_of(spans),
    }))
}

/// All leaves in the cover that are of the days of `leaves`. A leaf that is not among them is in a
/// segment, and holds no copy of an event in these leaves.
pub(in crate::plan) fn leaves_of_days(cover: &Cover, leaves: &[Arc<Leaf>]) -> Vec<Arc<Leaf>> {
    let days: BTreeSet<_> = leaves.iter().map(|leaf| leaf.day).collect();
    let mut found = BTreeMap::new();
    for piece in cover.pieces.iter().filter(|piece| days.contains(&piece.day)) {
        if let Source::Leaves { leaves, .. } = &piece.source {
            found.extend(leaves.iter().map(|leaf| ((leaf.day, &leaf.id), leaf)));
        }
    }
    found.into_values().cloned().collect()
}

/// A file, the first day that it has rows of, the instants wanted of its days, and the spans that
/// the file answers.
struct Answering<T> {
    file: T,
    day: Day,
    wanted: Spans,
    answered: Spans,
}

/// The branches that read these files: one for the files read in full, and as few as possible for
/// the others. A file has instants of its own days only. So one filter, the union of all spans,
/// serves files of different days. Two files of one day that answer different spans need a filter
/// each: under their union the one would also be read where only the other answers.
fn branches<T>(files: impl Iterator<Item = Answering<T>>) -> Vec<Branch<T>> {
    let mut whole = Vec::new();
    let mut parts: Vec<(BTreeMap<Day, Spans>, Vec<T>)> = Vec::new();
    for Answering { file, day, wanted, answered } in files {
        if answered == wanted {
            whole.push(file);
            continue;
        }
        let fits = |(of_days, _): &&mut (BTreeMap<Day, Spans>, _)| {
            of_days.get(&day).is_none_or(|spans| *spans == answered)
        };
        match parts.iter_mut().find(fits) {
            Some((of_days, files)) => {
                of_days.insert(day, answered);
                files.push(file);
            }
            None => parts.push((BTreeMap::from([(day, answered)]), vec![file])),
        }
    }
    let whole = (!whole.is_empty()).then_some(Branch { within: None, files: whole });
    let parts = parts.into_iter().map(|(of_days, files)| {
        let spans = of_days.values().flat_map(Spans::iter);
        Branch { within: Some(Spans::union_of(spans)), files }
    });
    whole.into_iter().chain(parts).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        base::{Grain, Span},
        model::Dataset,
        plan::test_root::snapshot,
    };

    /// Rollups of three grains: one day can be answered by several of them, each for a part.
    const GRAINS: &str = r#"
name = "calls"
table = "calls"
time = "at"
columns = [{ name = "at", type = "timestamp", required = true }]
[[rollup]]
name = "quarters"
grain = "15 minutes"
dimensions = []
measures = ["count(*) as n"]
[[rollup]]
name = "hours"
grain = "hour"
dimensions = []
measures = ["count(*) as n"]
[[rollup]]
name = "days"
grain = "day"
dimensions = []
measures = ["count(*) as n"]
"#;

    const QUARTER: i64 = Grain::QuarterHour.micros();

    proptest! {
        /// Two leaves of one day were once read under one filter, though one of them answered less
        /// than the other: its rows counted twice.
        #[test]
        fn each_file_is_read_exactly_where_it_answers(
            leaves in prop::collection::vec(0_u32..4, 3),
            built in prop::collection::vec(prop::collection::vec(prop::option::of(0_u32..5), 3), 3),
            spans in prop::collection::vec((0..300 * QUARTER / 3, 0..40 * QUARTER / 3), 1..6),
        ) {
            let dataset = Dataset::parse(GRAINS, "grains.toml").unwrap();
            let first = Day::from_epoch_days(0);
            let snapshot = snapshot(&dataset, first, &leaves, &built);
            let rollups: Vec<_> = dataset.rollups().iter().collect();
            let spans = spans.into_iter().map(|(start, length)| Span::new(start * 3, (start + length) * 3));
            let cover = Cover::tile(Spans::union_of(spans), &snapshot, &rollups);
            let read = |day: Day, within: &Option<Spans>| {
                let wanted = Spans::union_of(cover.spans.within(day.span()));
                within.as_ref().map_or(wanted.clone(), |within| wanted.intersect(within))
            };
            let (mut leaves_read, mut segments_read) = (BTreeMap::new(), BTreeMap::new());
            for branch in raw_branches(&cover) {
                for leaf in &branch.files {
                    let twice = leaves_read.insert(leaf.id.clone(), read(leaf.day, &branch.within));
                    prop_assert!(twice.is_none());
                }
            }
            for rollup in &rollups {
                for branch in segment_branches(&cover, rollup) {
                    for segment in &branch.files {
                        let day = segment.period.first();
                        let key = segment.file.location.clone();
                        let twice = segments_read.insert(key, read(day, &branch.within));
                        prop_assert!(twice.is_none());
                    }
                }
            }
            let (mut of_leaves, mut of_segments) = (BTreeMap::new(), BTreeMap::new());
            for piece in &cover.pieces {
                match &piece.source {
                    Source::Leaves { leaves, .. } => for leaf in leaves {
                        let spans: &mut Vec<Span> = of_leaves.entry(leaf.id.clone()).or_default();
                        spans.push(piece.span);
                    },
                    Source::Segment { segment, .. } => {
                        let key = segment.file.location.clone();
                        let spans: &mut Vec<Span> = of_segments.entry(key).or_default();
                        spans.push(piece.span);
                    }
                }
            }
            let united = |spans: Vec<Span>| Spans::union_of(spans);
            let of_leaves: BTreeMap<_, _> =
                of_leaves.into_iter().map(|(id, spans)| (id, united(spans))).collect();
            let of_segments: BTreeMap<_, _> =
                of_segments.into_iter().map(|(path, spans)| (path, united(spans))).collect();
            prop_assert_eq!(leaves_read, of_leaves);
            prop_assert_eq!(segments_read, of_segments);
        }
    }

    /// Leaves 0 and 1 of one day answer different parts of it, so one filter can't serve both.
    #[test]
    fn two_leaves_of_a_day_have_a_filter_each() {
        let dataset = Dataset::parse(GRAINS, "grains.toml").unwrap();
        // `hours` lacks leaf 2. `quarters` lacks leaves 1 and 2.
        let built = [vec![Some(1)], vec![Some(2)], vec![None]];
        let snapshot = snapshot(&dataset, Day::from_epoch_days(0), &[3], &built);
        let rollups: Vec<_> = dataset.rollups().iter().collect();
        let hour = Span::new(8 * QUARTER, 12 * QUARTER);
        let quarter = Span::new(17 * QUARTER, 18 * QUARTER);
        let edge = Span::new(21 * QUARTER + 1, 21 * QUARTER + 2);
        let cover = Cover::tile(Spans::union_of([hour, quarter, edge]), &snapshot, &rollups);
        let read: Vec<_> = raw_branches(&cover)
            .into_iter()
            .map(|branch| (branch.within, branch.files.len()))
            .collect();
        let mut expected = vec![
            (None, 1),
            (Some(Spans::union_of([quarter, edge])), 1),
            (Some(Spans::union_of([edge])), 1),
        ];
        let key = |(within, files): &(Option<Spans>, usize)| format!("{within:?} {files}");
        expected.sort_by_key(key);
        let mut read = read;
        read.sort_by_key(key);
        assert_eq!(read, expected);
    }
}
