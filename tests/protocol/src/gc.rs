//! gc of a day: a listing in two steps, proof, closing, deletions.

use crate::actor::Actor;
use crate::day::{Key, Manifest};
use crate::hint::{Hint, MonthHint};
use crate::invariants::Violation;
use crate::leaf::{Leaf, LeafId};
use crate::process::Process;
use crate::scenario::Scenario;
use crate::state::State;
use crate::view::{Damage, DataListing, ManifestListing, View};
use std::sync::Arc;

/// gc between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gc {
    /// What it does next.
    pub stage: GcStage,
    /// The day.
    pub day: u8,
    /// The data that was listed, until it is decided what to delete.
    pub data: Option<DataListing>,
    /// The manifests that were listed, until it is decided what to delete.
    pub manifests: Option<ManifestListing>,
    /// The newest generation that was listed.
    pub newest: u8,
    /// What is left to delete.
    pub todo: Vec<Object>,
}

/// The next step of gc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GcStage {
    /// List what is not listed yet.
    SecondListing,
    /// Read the newest manifest and the files that it names; decide.
    Prove,
    /// Create the manifest of the generation that will be deleted.
    Close,
    /// Delete one object.
    Delete,
}

/// What gc deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A leaf.
    Leaf(LeafId),
    /// The foreign file. Only where that rule is turned off.
    Foreign,
    /// The files of a generation and attempt, part by part.
    Files(Key),
    /// An intent.
    Intent(Key),
    /// A manifest. Only where that rule is turned off.
    Manifest(u8),
    /// A day's hint.
    Hint(Hint),
    /// A month's hint.
    MonthHint(MonthHint),
}

impl Scenario {
    /// Lists the data of a day.
    pub(crate) fn start_gc(&self, state: &mut State, actor: Actor, day: usize) -> bool {
        let mut gc = Gc {
            stage: GcStage::SecondListing,
            day: u8::from(day != 0),
            data: None,
            manifests: None,
            newest: 0,
            todo: Vec::new(),
        };
        if self.rules.data_first {
            gc.data = Some(self.list_data(state, day));
        } else {
            gc.manifests = Some(Self::list_manifests(state, day));
        }
        state.goes_on(actor, Process::Gc(Arc::new(gc)));
        true
    }

    /// The next step of gc.
    pub(crate) fn step_gc(&self, state: &mut State, actor: Actor, mut gc: Gc, choice: u8) {
        let day = usize::from(gc.day);
        match gc.stage {
            GcStage::SecondListing => {
                gc.data.get_or_insert_with(|| self.list_data(state, day));
                gc.manifests.get_or_insert_with(|| Self::list_manifests(state, day));
                gc.stage = GcStage::Prove;
            }
            GcStage::Prove => {
                if !self.decide(state, &mut gc) {
                    return;
                }
            }
            GcStage::Close => {
                if !Self::close(state, actor, day, gc.newest) {
                    return; // The next run sees what has happened.
                }
                gc.stage = GcStage::Delete;
            }
            GcStage::Delete => {
                let place = usize::from(choice);
                if delete(state, day, gc.todo[place]) {
                    gc.todo.remove(place);
                }
                if gc.todo.is_empty() {
                    return;
                }
            }
        }
        state.goes_on(actor, Process::Gc(Arc::new(gc)));
    }

    /// Creates the manifest after `newest`, which says what that one says. False: it is taken.
    pub(crate) fn close(state: &mut State, actor: Actor, day: usize, newest: u8) -> bool {
        let generation = newest + 1;
        let attempt = state.attempt_of(actor, 0);
        let before = state.days[day].manifest(newest).map(|said| (**said).clone());
        if newest > 0 && before.is_none() || generation > Self::GENERATIONS_MAX {
            return false;
        }
        let copy = Manifest { attempt, ..before.unwrap_or_default() };
        state.day_mut(day).create_manifest(generation, Arc::new(copy))
    }

    /// Decides what to delete. False: nothing.
    fn decide(&self, state: &mut State, gc: &mut Gc) -> bool {
        let day = usize::from(gc.day);
        let data = gc.data.take().unwrap_or_default();
        let manifests = gc.manifests.take().unwrap_or_default();
        let view = self.view_of(state, day, &data, &manifests);
        match view.rows {
            Err(Damage::ManifestGone) => return false,
            Err(Damage::Unnamed) => {
                if self.wrongly_damaged(state, day, &data, &manifests) {
                    state.violate(Violation::WholeDayDamaged);
                }
                return false;
            }
            _ => {}
        }
        let mut orphans = false;
        if !self.rules.gc_proves || view.rows.is_ok() {
            self.list_dead(state, (&data, &manifests), &view, gc);
            orphans = data.files.iter().any(|key| key.generation > manifests.newest);
        }
        list_stale_hints(state, day, &data, &view, &mut gc.todo);
        gc.newest = manifests.newest;
        gc.stage = if orphans && self.rules.gc_closes { GcStage::Close } else { GcStage::Delete };
        !gc.todo.is_empty()
    }

    /// Data that the newest manifest replaces, and files that no manifest will name.
    fn list_dead(
        &self,
        state: &State,
        (data, manifests): (&DataListing, &ManifestListing),
        view: &View,
        gc: &mut Gc,
    ) {
        let newest = manifests.newest;
        let day = usize::from(gc.day);
        for id in data.leaves.common(view.absorbed()).leaves() {
            if !(self.rules.voids_stay && state.leaf(id).is_void()) {
                gc.todo.push(Object::Leaf(id));
            }
        }
        let foreign = data.foreign.filter(|file| !file.id().common(view.absorbed()).is_empty());
        if foreign.is_some() && !self.rules.foreign_stays {
            gc.todo.push(Object::Foreign);
        }
        let named = view.manifest.as_ref().and_then(|manifest| manifest.named);
        let dead = data.files.iter().filter(|key| Some(**key) != named);
        gc.todo.extend(dead.map(|key| Object::Files(*key)));
        let old = manifests.intents.iter().filter(|key| key.generation <= newest);
        gc.todo.extend(old.map(|key| Object::Intent(*key)));
        if !self.rules.manifests_stay {
            let older = state.days[day].manifests.iter().filter(|(number, _)| *number < newest);
            gc.todo.extend(older.map(|(number, _)| Object::Manifest(*number)));
        }
    }
}

/// Hints that are not current.
fn list_stale_hints(
    state: &State,
    day: usize,
    data: &DataListing,
    view: &View,
    todo: &mut Vec<Object>,
) {
    let hints = data.hints.iter().filter(|hint| {
        hint.fingerprint != view.fingerprint || hint.definition != state.definitions
    });
    todo.extend(hints.map(|hint| Object::Hint(*hint)));
    let months = state.months.iter().filter(|month| month.fingerprints[day] != view.fingerprint);
    todo.extend(months.map(|month| Object::MonthHint(*month)));
}

/// Deletes an object, or a part of it. True: nothing of it is left.
fn delete(state: &mut State, day: usize, object: Object) -> bool {
    match object {
        Object::Leaf(id) => *state.leaf_mut(id) = Leaf::Absent,
        Object::Foreign => {
            state.foreign = None;
            state.violate(Violation::ForeignFileDeleted);
        }
        Object::Files(key) => return state.day_mut(day).delete_part(key),
        Object::Intent(key) => state.day_mut(day).delete_intent(key),
        Object::Manifest(old) => {
            state.day_mut(day).manifests.retain(|(number, _)| *number != old);
        }
        Object::Hint(hint) => Arc::make_mut(&mut state.hints).retain(|there| *there != hint),
        Object::MonthHint(hint) => {
            Arc::make_mut(&mut state.months).retain(|there| *there != hint);
        }
    }
    true
}
