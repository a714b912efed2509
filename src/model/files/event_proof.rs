//! What a raw file's footer proves about the events in it.

use serde::{Deserialize, Serialize};

use super::{Leaf, LeafId, leaf::LeafKind};
use crate::model::Unique;

/// Proven facts about the events of a raw file, under one rule for copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventProof {
    /// The rule, as [`Unique::text`].
    pub rule: String,
    /// Whether a row has a key without NULL. Other rows are no copies of any row.
    pub keyed: bool,
    /// Whether no two rows of the file are copies of one event.
    pub distinct: bool,
    /// Files of the same day that hold no copy of an event of this file, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<LeafId>,
    /// Only in compacted files: whether no file of the same generation holds a copy of an event of
    /// this file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub apart_in_generation: bool,
}

/// A file with the proof in its footer, if it has one for the rule in force.
pub(crate) type Proven<'p> = (&'p Leaf, Option<&'p EventProof>);

impl EventProof {
    /// The proof of a file without rows.
    pub(crate) fn of_no_rows(rule: &Unique) -> Self {
        let (rule, apart) = (rule.text(), Vec::new());
        Self { rule, keyed: false, distinct: true, apart, apart_in_generation: false }
    }

    /// This proof, if it is one for that rule.
    pub(crate) fn under(self, rule: &Unique) -> Option<Self> {
        (self.rule == rule.text()).then_some(self)
    }
}

/// Whether two files of a day are proven to hold no copies of one event.
pub(crate) fn are_apart(one: Proven<'_>, other: Proven<'_>) -> bool {
    let has_no_keys = |file: Proven<'_>| file.1.is_some_and(|proof| !proof.keyed);
    let names = |file: Proven<'_>, id: &LeafId| {
        file.1.is_some_and(|proof| proof.apart.binary_search(id).is_ok())
    };
    let in_generation = |file: Proven<'_>| {
        let is_compacted = matches!(file.0.kind, LeafKind::Compacted);
        is_compacted && file.1.is_some_and(|proof| proof.apart_in_generation)
    };
    has_no_keys(one)
        || has_no_keys(other)
        || names(one, &other.0.id)
        || names(other, &one.0.id)
        || in_generation(one) && in_generation(other)
}

/// Whether no two rows of these files of a day are copies of one event.
pub(crate) fn has_no_copies(files: &[Proven<'_>]) -> bool {
    let mut proofs = files.iter().map(|(_, proof)| *proof);
    proofs.all(|proof| proof.is_some_and(|proof| proof.distinct))
        && files
            .iter()
            .enumerate()
            .all(|(at, file)| files.iter().take(at).all(|other| are_apart(*file, *other)))
}
