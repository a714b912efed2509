//! The snapshot that a rewriting or an erasure decides by: data is listed first, `_m/` last.

use crate::actor::Actor;
use crate::erase::EraseStage;
use crate::leaf::Leaf;
use crate::process::Process;
use crate::rewrite::Kind;
use crate::scenario::Scenario;
use crate::state::State;
use crate::view::DataListing;
use std::sync::Arc;

/// A snapshot between its two listings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// What it is for.
    pub kind: Kind,
    /// The day.
    pub day: u8,
    /// The data that was listed.
    pub data: DataListing,
}

impl Kind {
    /// The transition that a snapshot takes.
    #[must_use]
    pub const fn snapshot_transition(&self) -> &'static str {
        match self {
            Self::Compact | Self::Purge => "rewrite.snapshot",
            Self::Erase(_) => "erase.look",
        }
    }
}

impl Scenario {
    /// Starts a compaction or a purge of a day.
    pub(crate) fn start_rewrite(&self, state: &mut State, actor: Actor, day: u8) -> bool {
        let kind = if actor == Actor::Purge { Kind::Purge } else { Kind::Compact };
        self.begin_snapshot(state, actor, kind, day);
        state.processes[actor.index()] != Process::Off
    }

    /// Lists the data of a day, and where the scenario does not split snapshots, `_m/` as well.
    pub(crate) fn begin_snapshot(&self, state: &mut State, actor: Actor, kind: Kind, day: u8) {
        let data = self.list_data(state, usize::from(day));
        let snapshot = Snapshot { kind, day, data };
        if self.split_snapshots {
            state.goes_on(actor, Process::Snapshot(Arc::new(snapshot)));
        } else {
            self.end_snapshot(state, actor, kind, &snapshot);
        }
    }

    /// Lists `_m/` of a day, and decides.
    pub(crate) fn end_snapshot(
        &self,
        state: &mut State,
        actor: Actor,
        kind: Kind,
        snapshot: &Snapshot,
    ) {
        let day = usize::from(snapshot.day);
        let data = &snapshot.data;
        let manifests = Self::list_manifests(state, day);
        let view = self.view_of(state, day, data, &manifests);
        let gone = view.loose.leaves().any(|id| state.leaf(id) == Leaf::Absent)
            || data.foreign.is_some() && data.foreign != state.foreign;
        let Ok(live) = view.rows else { return };
        let Kind::Erase(erase) = kind else {
            let useful = match kind {
                Kind::Purge => !view.loose.is_empty() || view.manifest.is_some() && !view.purged(),
                _ => !view.loose.is_empty() && !view.purged(),
            };
            if useful && !gone {
                self.begin_rewrite(state, actor, kind, day, &view);
            }
            return;
        };
        let in_flight = manifests.intents.iter().any(|key| key.generation > view.newest);
        if gone {
            state.goes_on(actor, erase.at(EraseStage::Look(snapshot.day)));
        } else if live.has_any(self.matched_by(actor)) {
            self.begin_rewrite(state, actor, kind, day, &view);
        } else if in_flight && self.rules.erase_closes {
            let close = EraseStage::Close { day: snapshot.day, newest: view.newest };
            state.goes_on(actor, erase.at(close));
        } else {
            self.leave_day(state, actor, erase, snapshot.day);
        }
    }
}
