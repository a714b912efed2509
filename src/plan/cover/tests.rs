//! Property test: every cover of random spans, over days with random leaves and segments, tiles.

use proptest::prelude::*;

use super::*;
use crate::{base::Grain, model::Dataset, plan::test_root::snapshot};

const FIRST: Day = Day::from_epoch_days(0);
const HOUR: i64 = Grain::Hour.micros();

proptest! {
    #[test]
    fn every_cover_tiles(
        leaves in prop::collection::vec(0_u32..4, 6),
        built in prop::collection::vec(prop::collection::vec(prop::option::of(0_u32..5), 6), 3),
        spans in prop::collection::vec((-HOUR..150 * HOUR, 0..80 * HOUR), 1..4),
        used in prop::collection::vec(any::<bool>(), 3),
    ) {
        let dataset = Dataset::ai_usage().unwrap();
        let snapshot = snapshot(&dataset, FIRST, &leaves, &built);
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
    let snapshot = snapshot(&dataset, FIRST, &[2, 1], &[vec![Some(1), Some(1)]]);
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
    let snapshot = snapshot(&dataset, FIRST, &[1, 1, 1], &[all.clone(), all.clone(), all]);
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
