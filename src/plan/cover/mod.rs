//! The cover: a query's time tiled by pieces, so that every leaf's rows are counted exactly once.

pub(super) mod branches;
pub(super) mod splice;
pub(super) mod words;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
};

use object_store::ObjectMeta;

use crate::{
    base::{Day, Error, Result, Span, Spans},
    model::{Freshness, Leaf, LeafId, Rollup, SegmentFile, Snapshot},
};

/// Why leaves are read raw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawReason {
    /// The leaves arrived after the segment was built.
    Late,
    /// The span cuts through a bucket of the rollup at this piece.
    Edge,
    /// No segment serves the day.
    NoSegment,
    /// No rollup can serve the block.
    NoRollup,
    /// The route is `raw`, or raw leaves are preferred for a short span.
    Preferred,
}

impl fmt::Display for RawReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Late => "late",
            Self::Edge => "edge",
            Self::NoSegment => "no segment",
            Self::NoRollup => "no rollup serves",
            Self::Preferred => "preferred",
        })
    }
}

/// The files that answer a piece.
#[derive(Clone, Debug)]
pub enum Source {
    /// A rollup's segment, and the leaves whose rows are in it.
    Segment {
        /// The rollup's name.
        rollup: String,
        /// The segment's file.
        segment: Arc<SegmentFile>,
        /// The live leaves whose rows the segment holds.
        leaves: Vec<LeafId>,
    },
    /// Raw leaves.
    Leaves {
        /// The leaves; at least one.
        leaves: Vec<Arc<Leaf>>,
        /// Why no segment answers.
        reason: RawReason,
    },
}

/// One tile: a stretch of one day, for some of its leaves.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The day.
    pub day: Day,
    /// The stretch of the day.
    pub span: Span,
    /// The files that answer the stretch.
    pub source: Source,
}

/// The tiling of a set of instants. Days without leaves have no pieces, because they have no
/// rows.
#[derive(Clone, Debug)]
pub struct Cover {
    /// The instants that the query asks for.
    pub spans: Spans,
    /// The tiles, in the order of days.
    pub pieces: Vec<Piece>,
    /// The rollups that can serve the block, in the order of preference.
    pub rollups: Vec<String>,
}

impl Cover {
    /// Tiles `spans` by segments of `rollups`, and by raw leaves. Each of `rollups` must be able
    /// to serve the block.
    #[must_use]
    pub(in crate::plan) fn tile(spans: Spans, snapshot: &Snapshot, rollups: &[&Rollup]) -> Self {
        let ranked = ranked(&spans, snapshot, rollups);
        let mut pieces = Vec::new();
        for (day, leaves) in snapshot.days(spans.hull()) {
            for wanted in spans.within(day.span()) {
                match best_segment(day, wanted, &ranked) {
                    Some(best) => best.tile(day, wanted, leaves, &mut pieces),
                    None => push_leaves(&mut pieces, day, wanted, leaves, RawReason::NoSegment),
                }
            }
        }
        let rollups = ranked.iter().map(|candidate| candidate.rollup.name().to_owned()).collect();
        Self { spans, pieces, rollups }
    }

    /// Tiles `spans` by raw leaves alone.
    #[must_use]
    pub(in crate::plan) fn raw(spans: Spans, snapshot: &Snapshot, reason: RawReason) -> Self {
        let mut pieces = Vec::new();
        for (day, leaves) in snapshot.days(spans.hull()) {
            for wanted in spans.within(day.span()) {
                push_leaves(&mut pieces, day, wanted, leaves, reason);
            }
        }
        Self { spans, pieces, rollups: Vec::new() }
    }

    /// The leaves that are read raw, in the order of days and then ids, without duplicates.
    #[must_use]
    pub(in crate::plan) fn leaves(&self) -> Vec<Arc<Leaf>> {
        let mut leaves = BTreeMap::new();
        for piece in &self.pieces {
            if let Source::Leaves { leaves: read, .. } = &piece.source {
                leaves.extend(read.iter().map(|leaf| ((piece.day, &leaf.id), leaf)));
            }
        }
        leaves.into_values().cloned().collect()
    }

    /// The total size of the files that are read, in bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> u64 {
        self.files().iter().map(|file| file.size).sum()
    }

    /// The files that are read, in the order of days. A file that answers several pieces occurs
    /// once.
    pub(crate) fn files(&self) -> Vec<&ObjectMeta> {
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        for piece in &self.pieces {
            let (segment, leaves): (_, &[Arc<Leaf>]) = match &piece.source {
                Source::Segment { segment, .. } => (Some(&segment.file), &[]),
                Source::Leaves { leaves, .. } => (None, leaves),
            };
            let read = segment.into_iter().chain(leaves.iter().map(|leaf| &leaf.file));
            // All pieces share the snapshot's own file metadata, so equal addresses mean equal
            // files.
            files.extend(read.filter(|file| seen.insert(std::ptr::from_ref::<ObjectMeta>(file))));
        }
        files
    }

    /// Checks that the pieces of each leaf tile the part of its day that the query asks for.
    ///
    /// # Errors
    /// `Internal` when an instant of a leaf is answered twice or not at all, or when a piece has a
    /// leaf that isn't live. The query must not run then.
    pub(in crate::plan) fn check(&self, snapshot: &Snapshot) -> Result<()> {
        let mut tiles: BTreeMap<(Day, &LeafId), Vec<Span>> = BTreeMap::new();
        for piece in &self.pieces {
            let ids: Vec<&LeafId> = match &piece.source {
                Source::Segment { leaves, .. } => leaves.iter().collect(),
                Source::Leaves { leaves, .. } => leaves.iter().map(|leaf| &leaf.id).collect(),
            };
            for id in ids {
                tiles.entry((piece.day, id)).or_default().push(piece.span);
            }
        }
        let mut leaves = 0;
        for (day, live) in snapshot.days(self.spans.hull()) {
            let wanted: Vec<_> = self.spans.within(day.span()).collect();
            if wanted.is_empty() {
                continue;
            }
            for leaf in live {
                let spans = tiles.get_mut(&(day, &leaf.id)).map(std::mem::take);
                leaves += 1;
                if !spans.is_some_and(|spans| tile_exactly(spans, &wanted)) {
                    return Err(Error::internal(format!(
                        "day {day}, leaf {}: the cover doesn't tile its part",
                        leaf.id
                    )));
                }
            }
        }
        if tiles.len() > leaves {
            return Err(Error::internal("the cover counts leaves that are not live"));
        }
        Ok(())
    }
}

/// Whether the tiles fill the wanted stretches, with each instant in exactly one tile.
fn tile_exactly(mut tiles: Vec<Span>, wanted: &[Span]) -> bool {
    tiles.sort_by_key(|tile| tile.start);
    let mut tiles = tiles.into_iter().peekable();
    let filled = wanted.iter().all(|stretch| {
        let mut at = stretch.start;
        while let Some(tile) = tiles.next_if(|tile| tile.start == at && !tile.is_empty()) {
            at = tile.end;
            if at >= stretch.end {
                break;
            }
        }
        at == stretch.end
    });
    filled && tiles.next().is_none()
}

/// A rollup that can serve the block, and its freshness on each day.
struct Candidate<'a> {
    rollup: &'a Rollup,
    days: Option<&'a BTreeMap<Day, Freshness>>,
}

/// The rollups in the order of preference: previous definitions last, then by the average size of
/// a day's segment in the hull of `spans`, smallest first, then by name. One order for all days
/// lets a query read as few rollups as possible.
fn ranked<'a>(spans: &Spans, snapshot: &'a Snapshot, rollups: &[&'a Rollup]) -> Vec<Candidate<'a>> {
    let bounds = spans.hull().day_bounds();
    let ranked = rollups.iter().map(|rollup| {
        let days = snapshot.rollup(rollup.name());
        let inside = days.zip(bounds).map(|(days, (first, last))| days.range(first..=last));
        let inside = inside.into_iter().flatten();
        let segments = inside.filter_map(|(_, freshness)| match freshness {
            Freshness::Current(segment) | Freshness::Behind { segment, .. } => Some(segment),
            Freshness::Missing => None,
        });
        let (mut count, mut total, mut last) = (0, 0, None);
        for segment in segments {
            count += 1;
            // A month's segment serves several days in a row, but its size counts once.
            if last.replace(segment).is_none_or(|last| !Arc::ptr_eq(last, segment)) {
                total += segment.file.size;
            }
        }
        // The average a day, so that a rollup doesn't look cheap because it lacks days.
        let bytes = total / u64::max(count, 1);
        ((rollup.is_previous(), bytes), Candidate { rollup, days })
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(rank, candidate)| (*rank, candidate.rollup.name()));
    ranked.into_iter().map(|(_, candidate)| candidate).collect()
}

/// A segment that serves part of a day.
struct Best<'a> {
    rollup: &'a Rollup,
    segment: &'a Arc<SegmentFile>,
    late: &'a [Arc<Leaf>],
    /// The part of the wanted stretch that the segment serves.
    whole: Span,
}

/// The segment that leaves the least to read raw: first the shortest time, then the fewest bytes
/// of late leaves. Of equal segments, the one whose rollup ranks first.
fn best_segment<'a>(day: Day, wanted: Span, ranked: &[Candidate<'a>]) -> Option<Best<'a>> {
    let serving = ranked.iter().filter_map(|Candidate { rollup, days }| {
        let (segment, late): (_, &[_]) = match days.and_then(|days| days.get(&day))? {
            Freshness::Current(segment) => (segment, &[]),
            Freshness::Behind { segment, late } => (segment, late),
            Freshness::Missing => return None,
        };
        let whole = rollup.grain().whole_buckets(wanted);
        (!whole.is_empty()).then_some(Best { rollup, segment, late, whole })
    });
    serving.min_by_key(|best| {
        let raw = (wanted.end - wanted.start) - (best.whole.end - best.whole.start);
        let late: u64 = best.late.iter().map(|leaf| leaf.file.size).sum();
        (raw, late)
    })
}

impl Best<'_> {
    fn tile(&self, day: Day, wanted: Span, leaves: &[Arc<Leaf>], pieces: &mut Vec<Piece>) {
        let before = Span::new(wanted.start, self.whole.start);
        let after = Span::new(self.whole.end, wanted.end);
        push_leaves(pieces, day, before, leaves, RawReason::Edge);
        let built_from = leaves
            .iter()
            .filter(|leaf| !self.late.iter().any(|late| late.id == leaf.id))
            .map(|leaf| leaf.id.clone())
            .collect();
        pieces.push(Piece {
            day,
            span: self.whole,
            source: Source::Segment {
                rollup: self.rollup.name().to_owned(),
                segment: Arc::clone(self.segment),
                leaves: built_from,
            },
        });
        push_leaves(pieces, day, self.whole, self.late, RawReason::Late);
        push_leaves(pieces, day, after, leaves, RawReason::Edge);
    }
}

fn push_leaves(
    pieces: &mut Vec<Piece>,
    day: Day,
    span: Span,
    leaves: &[Arc<Leaf>],
    reason: RawReason,
) {
    if !span.is_empty() && !leaves.is_empty() {
        let leaves = leaves.to_vec();
        pieces.push(Piece { day, span, source: Source::Leaves { leaves, reason } });
    }
}

#[cfg(test)]
mod tests;
