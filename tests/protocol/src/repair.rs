//! `repair`: the manifest of a day is rebuilt from the footers of its files.

use crate::actor::Actor;
use crate::day::{DataFiles, Manifest};
use crate::process::Process;
use crate::scenario::Scenario;
use crate::state::State;
use crate::view::Damage;
use std::sync::Arc;

/// What a repair has concluded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repair {
    /// The day.
    pub day: u8,
    /// The generation whose manifest is missing.
    pub generation: u8,
    /// The manifest.
    pub manifest: Arc<Manifest>,
}

impl Scenario {
    /// Reads the footers of a damaged day. False: the day is whole, or nothing can be concluded.
    pub(crate) fn start_repair(&self, state: &mut State, day: usize) -> bool {
        if self.view(state, day).rows != Err(Damage::Unnamed) {
            return false;
        }
        let Some(chosen) = self.choose(&state.days[day].files) else { return false };
        let Some(manifest) = chosen.footer.clone() else { return false };
        let repair =
            Repair { day: u8::from(day != 0), generation: chosen.key.generation, manifest };
        state.goes_on(Actor::Repair, Process::Repair(Arc::new(repair)));
        true
    }

    /// The one complete set of files of the highest generation, if it is whole and has absorbed
    /// everything that the sets of lower generations had absorbed.
    fn choose<'a>(&self, files: &'a [DataFiles]) -> Option<&'a DataFiles> {
        let highest = files.iter().map(|set| set.key.generation).max()?;
        let mut sets = files.iter().filter(|set| {
            set.key.generation == highest
                && (!self.rules.repair_complete || set.parts == self.parts)
        });
        let chosen = sets.next()?;
        let alone = !self.rules.repair_single || sets.next().is_none();
        let whole = chosen.intact || !self.rules.repair_reads;
        let absorbed = chosen.footer.as_ref()?.absorbed;
        let nothing_lost = files.iter().filter(|set| set.key.generation < highest).all(|set| {
            set.footer.as_ref().is_some_and(|said| said.absorbed.minus(absorbed).is_empty())
        });
        (alone && whole && nothing_lost).then_some(chosen)
    }

    /// Creates the manifest, if absent.
    pub(crate) fn commit_repair(state: &mut State, repair: &Repair) {
        let day = state.day_mut(usize::from(repair.day));
        day.create_manifest(repair.generation, Arc::clone(&repair.manifest));
    }
}
