//! The names of the protocol's steps. The program's failpoints have the same names.

use std::sync::atomic::{AtomicU32, Ordering};

/// Every transition.
pub const TRANSITIONS: &[&str] = &[
    "append.claim",
    "append.leaf",
    "append.void_met",
    "append.next_try",
    "append.give_up",
    "append.next_claim",
    "rewrite.snapshot",
    "rewrite.intent",
    "rewrite.data",
    "rewrite.read_back",
    "rewrite.commit",
    "rewrite.lost",
    "rewrite.tag",
    "rewrite.intent_deleted",
    "erase.fence",
    "erase.void",
    "erase.look",
    "gc.list_data",
    "gc.list_manifests",
    "gc.prove",
    "gc.close",
    "gc.delete",
    "rollup.snapshot",
    "rollup.segment",
    "rollup.month",
    "init.definition",
    "repair.manifest",
    "query.list_data",
    "query.list_manifests",
    "query.read",
];

/// Which transitions an exploration has taken.
#[derive(Debug, Default)]
pub struct Taken(AtomicU32);

impl Taken {
    /// Records that a transition was taken.
    ///
    /// # Panics
    ///
    /// When its name is not in [`TRANSITIONS`].
    pub fn record(&self, transition: &str) {
        let place = TRANSITIONS.iter().position(|name| *name == transition);
        assert!(place.is_some(), "{transition} is not in TRANSITIONS");
        let bit = place.map_or(0, |place| 1 << place);
        if self.0.load(Ordering::Relaxed) & bit == 0 {
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The transitions that were not taken.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let taken = self.0.load(Ordering::Relaxed);
        (0..)
            .zip(TRANSITIONS)
            .filter(|(at, _)| taken >> at & 1 == 0)
            .map(|(_, name)| *name)
            .collect()
    }
}
