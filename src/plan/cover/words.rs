//! A cover in words:
//! `365 days: 351 from org_daily, 13 raw (no segment), 1 segment + 2 late leaves raw`.

use std::{collections::BTreeMap, fmt};

use crate::{
    base::Day,
    plan::{Cover, Piece, RawReason, Source},
};

/// How a day is answered. The variants are in the order of the words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Answered {
    From(String),
    FromWithEdges(String),
    Raw(String),
    Behind,
}

/// The number of days that are answered alike, and of the late leaves that are read beside their
/// segments.
#[derive(Default)]
struct Tally {
    days: usize,
    late: usize,
}

impl fmt::Display for Cover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut days: BTreeMap<Day, Vec<&Piece>> = BTreeMap::new();
        for piece in &self.pieces {
            days.entry(piece.day).or_default().push(piece);
        }
        let mut tallies: BTreeMap<Answered, Tally> = BTreeMap::new();
        for pieces in days.values() {
            let (answered, late) = answered(pieces);
            let tally = tallies.entry(answered).or_default();
            tally.days += 1;
            tally.late += late;
        }
        write!(f, "{}", counted(days.len(), "day", "days"))?;
        for (at, (answered, tally)) in tallies.into_iter().enumerate() {
            f.write_str(if at == 0 { ": " } else { ", " })?;
            let days = tally.days;
            match answered {
                Answered::From(rollup) => write!(f, "{days} from {rollup}"),
                Answered::FromWithEdges(rollup) => write!(f, "{days} from {rollup} with raw edges"),
                Answered::Raw(reason) => write!(f, "{days} raw ({reason})"),
                Answered::Behind => write!(
                    f,
                    "{} + {} raw",
                    counted(days, "segment", "segments"),
                    counted(tally.late, "late leaf", "late leaves")
                ),
            }?;
        }
        Ok(())
    }
}

/// How a day is answered, and the number of late leaves that are read for it.
fn answered(pieces: &[&Piece]) -> (Answered, usize) {
    let mut rollup = None;
    let (mut late, mut edges, mut reason) = (0, false, String::new());
    for piece in pieces {
        match &piece.source {
            Source::Segment { rollup: name, .. } => rollup = Some(name.clone()),
            Source::Leaves { leaves, reason: RawReason::Late } => late += leaves.len(),
            Source::Leaves { reason: RawReason::Edge, .. } => edges = true,
            Source::Leaves { reason: why, .. } => reason = why.to_string(),
        }
    }
    let answered = match rollup {
        None => Answered::Raw(reason),
        Some(_) if late > 0 => Answered::Behind,
        Some(name) if edges => Answered::FromWithEdges(name),
        Some(name) => Answered::From(name),
    };
    (answered, late)
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
