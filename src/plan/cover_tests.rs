//! Random spans over random holes: every cover tiles.

use std::collections::BTreeMap;

use object_store::{ObjectMeta, path::Path};
use proptest::prelude::*;

use super::*;
use crate::{
    base::Grain,
    model::{BatchId, ContentHasher, Dataset, Fingerprint, LeafDay, LeafKind, Period},
};

const HOUR: i64 = Grain::Hour.micros();

fn file(name: &str, size: u64) -> ObjectMeta {
    ObjectMeta {
        location: Path::from(name),
        last_modified: chrono::DateTime::UNIX_EPOCH,
        size,
        e_tag: None,
        version: None,
    }
}

fn leaf(day: i32, part: u32) -> Leaf {
    let day = Day::from_epoch_days(day);
    let content = ContentHasher::new().finish();
    let id = LeafId::of(&BatchId::try_new("test").unwrap(), 0, (day, part), &content, 0);
    Leaf { file: file(id.as_str(), 100), id, day, kind: LeafKind::Appended }
}

/// `built[rollup][day]` says how many of the day's leaves its segment holds; none has no segment.
fn snapshot(dataset: &Dataset, leaves: &[u32], built: &[Vec<Option<u32>>]) -> Snapshot {
    let day_leaves = |day: i32| {
        let count = leaves.get(day.unsigned_abs() as usize).copied().unwrap_or_default();
        (0..count).map(move |part| leaf(day, part))
    };
    let mut rollups = BTreeMap::new();
    for (rollup, days) in dataset.rollups().iter().zip(built) {
        let mut freshness = BTreeMap::new();
        for (day, held) in (0..).zip(days) {
            let Some(held) = held else { continue };
            let live: Vec<_> = day_leaves(day).map(Arc::new).collect();
            let held = live.iter().take(*held as usize).map(|leaf| &leaf.id);
            let held: std::collections::BTreeSet<_> = held.cloned().collect();
            if held.is_empty() {
                continue;
            }
            let segment = Arc::new(SegmentFile {
                period: Period::Day(Day::from_epoch_days(day)),
                fingerprint: Fingerprint::of(&held),
                file: file("segment", 10),
            });
            let live = LeafDay::new(Day::from_epoch_days(day), live);
            let found = crate::model::freshness(&live, None, &[(segment, Some(held))]);
            freshness.insert(Day::from_epoch_days(day), found);
        }
        rollups.insert(rollup.name().to_owned(), freshness);
    }
    let days = (0..6).map(|day| {
        let leaves = day_leaves(day).map(Arc::new).collect();
        Arc::new(LeafDay::new(Day::from_epoch_days(day), leaves))
    });
    Snapshot::new(days, rollups)
}

proptest! {
    #[test]
    fn every_cover_tiles(
        leaves in prop::collection::vec(0_u32..4, 6),
        built in prop::collection::vec(prop::collection::vec(prop::option::of(0_u32..5), 6), 3),
        spans in prop::collection::vec((-HOUR..150 * HOUR, 0..80 * HOUR), 1..4),
        used in prop::collection::vec(any::<bool>(), 3),
    ) {
        let dataset = Dataset::ai_usage().unwrap();
        let snapshot = snapshot(&dataset, &leaves, &built);
        let rollups: Vec<_> =
            dataset.rollups().iter().zip(used).filter_map(|(r, used)| used.then_some(r)).collect();
        let spans = spans.into_iter().map(|(start, length)| Span::new(start, start + length));
        for spans in [Spans::union_of(spans), Spans::all()] {
            let cover = Cover::tile(spans, &snapshot, &rollups);
            prop_assert!(cover.check(&snapshot).is_ok(), "{cover:?}");
        }
    }
}

#[test]
fn a_cover_with_a_gap_or_a_double_is_found_out() {
    let dataset = Dataset::ai_usage().unwrap();
    let snapshot = snapshot(&dataset, &[2, 1], &[vec![Some(1), Some(1)]]);
    let rollups: Vec<_> = dataset.rollups().iter().collect();
    let cover = Cover::tile(Spans::all(), &snapshot, &rollups);
    cover.check(&snapshot).unwrap();
    for at in 0..cover.pieces.len() {
        let mut gap = cover.clone();
        gap.pieces.remove(at);
        assert!(gap.check(&snapshot).is_err(), "without piece {at}");
        let mut double = cover.clone();
        double.pieces.push(cover.pieces[at].clone());
        assert!(double.check(&snapshot).is_err(), "with piece {at} twice");
    }
}

#[test]
fn hourly_segments_serve_ragged_days_but_for_their_edges() {
    let dataset = Dataset::ai_usage().unwrap();
    let all = vec![Some(1); 3];
    let snapshot = snapshot(&dataset, &[1, 1, 1], &[all.clone(), all.clone(), all]);
    let rollups: Vec<_> = dataset.rollups().iter().collect();
    let span = Span::new(HOUR / 2, 2 * 24 * HOUR + 5 * HOUR);
    let cover = Cover::tile(span.into(), &snapshot, &rollups);
    cover.check(&snapshot).unwrap();
    let raw: Vec<_> = cover
        .pieces
        .iter()
        .filter(|piece| matches!(piece.source, Source::Leaves { .. }))
        .map(|piece| piece.span)
        .collect();
    assert_eq!(raw, [Span::new(HOUR / 2, HOUR)]);
}
