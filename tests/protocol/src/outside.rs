//! What happens to a root from outside.

use crate::actor::Actor;
use crate::gc::{GcStage, Object};
use crate::leaf::{Ids, Leaf, Part};
use crate::process::Process;
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Foreign, State};
use std::fmt;

/// An event from outside. Each happens at most once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The root is copied, without the folders `_m/`. From here on the copy is the root; no
    /// process works on it yet.
    CopiedWithoutManifests,
    /// A lifecycle rule deletes a late leaf of a purged day.
    LateLeafLost,
    /// The files that a newest manifest names rot.
    Rotten(u8),
    /// The foreign file is copied or touched: its listing key changes, its bytes do not.
    ForeignTouched,
    /// The owner of the foreign file rewrites it.
    ForeignRewritten,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CopiedWithoutManifests => "THE ROOT IS COPIED WITHOUT _m/",
            Self::LateLeafLost => "THE LATE LEAF IS LOST",
            Self::Rotten(_) => "A FILE ROTS",
            Self::ForeignTouched => "THE FOREIGN FILE IS TOUCHED",
            Self::ForeignRewritten => "THE FOREIGN FILE IS REWRITTEN",
        })
    }
}

impl Scenario {
    /// The events that may happen now.
    pub(crate) fn events(&self, state: &State, events: &mut Vec<Event>) {
        let history = &state.history;
        if self.copy_without_manifests
            && !history.copied
            && state.days.iter().any(|day| !(day.manifests.is_empty() && day.intents.is_empty()))
        {
            events.push(Event::CopiedWithoutManifests);
        }
        if self.late_leaf_lost && !history.late_leaf_lost {
            let view = self.view(state, 0);
            let id = Part::Late.id(0);
            let loose = view.loose.has(id) && state.leaf(id) != Leaf::Absent;
            if view.purged() && loose && history.acknowledged.has_any(Rows::LATE) {
                events.push(Event::LateLeafLost);
            }
        }
        if self.rot && !history.rotten {
            for day in 0..self.days() {
                let named = self.view(state, day).manifest.and_then(|manifest| manifest.named);
                let files = named.and_then(|key| state.days[day].data_files(key));
                if files.is_some_and(|files| files.intact) {
                    events.push(Event::Rotten(u8::from(day != 0)));
                }
            }
        }
        if self.foreign_touched && !history.touched && state.foreign.is_some() {
            events.push(Event::ForeignTouched);
        }
        if self.foreign_rewritten && !history.rewritten && state.foreign.is_some() {
            events.push(Event::ForeignRewritten);
        }
    }

    /// Lets an event happen.
    pub(crate) fn happen(&self, state: &mut State, event: Event) {
        match event {
            Event::CopiedWithoutManifests => {
                state.history.copied = true;
                for day in 0..self.days() {
                    let folder = state.day_mut(day);
                    folder.manifests.clear();
                    folder.intents.clear();
                }
                for actor in Actor::EACH {
                    state.goes_on(actor, Process::Off);
                }
            }
            Event::LateLeafLost => {
                state.history.late_leaf_lost = true;
                *state.leaf_mut(Part::Late.id(0)) = Leaf::Absent;
                state.history.lost = state.history.lost.with(Rows::LATE);
            }
            Event::Rotten(day) => self.rot_files(state, usize::from(day)),
            Event::ForeignTouched | Event::ForeignRewritten => {
                let rewritten = event == Event::ForeignRewritten;
                let history = &mut state.history;
                let flag = if rewritten { &mut history.rewritten } else { &mut history.touched };
                *flag = true;
                if let Some(file) = &mut state.foreign {
                    file.key += 1;
                    file.content |= u8::from(rewritten);
                }
            }
        }
    }

    /// The named files of a day rot. Nobody can know of it after the look that proved them whole:
    /// what gc has decided to delete by then may go.
    fn rot_files(&self, state: &mut State, day: usize) {
        state.history.rotten = true;
        let named = self.view(state, day).manifest.and_then(|manifest| manifest.named);
        for files in &mut state.day_mut(day).files {
            files.intact &= Some(files.key) != named;
        }
        let mut safe = state.present();
        for process in &state.processes {
            if let Process::Gc(gc) = process
                && matches!(gc.stage, GcStage::Close | GcStage::Delete)
            {
                for object in &gc.todo {
                    if let Object::Leaf(id) = object {
                        safe = safe.minus(Ids::NONE.and(*id));
                    }
                }
            }
        }
        let kept = state.rows_in(safe).plus(state.foreign.map_or(Rows::NONE, Foreign::rows));
        for row in Rows::EACH {
            if kept.count(row) == 0 {
                state.history.lost = state.history.lost.with(row);
            }
        }
    }
}
