//! What a listing says of a day: which rows are live, or why the day is damaged.

use crate::day::{Key, Manifest};
use crate::hint::{Fingerprint, Hint};
use crate::leaf::{Ids, Part};
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Foreign, State};
use std::sync::Arc;

/// The data of a day, as one listing shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DataListing {
    /// Leaves and voids.
    pub leaves: Ids,
    /// The foreign file.
    pub foreign: Option<Foreign>,
    /// The files of generations.
    pub files: Vec<Key>,
    /// The hints of the day.
    pub hints: Vec<Hint>,
}

/// The folder `_m/` of a day, as one listing shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ManifestListing {
    /// The newest generation; 0: none.
    pub newest: u8,
    /// The intents.
    pub intents: Vec<Key>,
}

/// Why a day cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Damage {
    /// Files of a generation that has neither manifest nor intent.
    Unnamed,
    /// The newest manifest is gone.
    ManifestGone,
    /// Files that the newest manifest names are gone.
    FilesGone,
    /// Files that the newest manifest names are not what it says.
    FilesDamaged,
    /// No remains can be read.
    NoRemains,
}

/// A day, as a listing shows it.
#[derive(Clone, Debug)]
pub struct View {
    /// The newest generation; 0: none.
    pub newest: u8,
    /// Its manifest.
    pub manifest: Option<Arc<Manifest>>,
    /// The leaves, voids and foreign files that it has not absorbed.
    pub loose: Ids,
    /// Absorbed, loose, marks.
    pub fingerprint: Fingerprint,
    /// The live rows.
    pub rows: Result<Rows, Damage>,
}

impl View {
    /// What the newest manifest has absorbed.
    #[must_use]
    pub fn absorbed(&self) -> Ids {
        self.manifest.as_ref().map_or(Ids::NONE, |manifest| manifest.absorbed)
    }

    /// What the newest manifest has absorbed with rows: not as a void.
    #[must_use]
    pub fn absorbed_rows(&self) -> Ids {
        self.manifest.as_ref().map_or(Ids::NONE, |found| found.absorbed.minus(found.as_void))
    }

    /// Whether the day is purged.
    #[must_use]
    pub fn purged(&self) -> bool {
        self.manifest.as_ref().is_some_and(|manifest| manifest.purged)
    }
}

impl Scenario {
    /// The ids of a day's leaves.
    #[must_use]
    pub fn leaves_of(&self, day: usize) -> Ids {
        [Part::First, Part::Second, Part::Late, Part::Mended]
            .into_iter()
            .filter(|part| self.day_of(*part) == day)
            .fold(Ids::NONE, |ids, part| ids.or(part.ids()))
    }

    /// Lists the data of a day.
    #[must_use]
    pub fn list_data(&self, state: &State, day: usize) -> DataListing {
        DataListing {
            leaves: state.present().common(self.leaves_of(day)),
            foreign: if day == 0 { state.foreign } else { None },
            files: state.days[day].files.iter().map(|files| files.key).collect(),
            hints: state
                .hints
                .iter()
                .filter(|hint| usize::from(hint.day) == day)
                .copied()
                .collect(),
        }
    }

    /// Lists the folder `_m/` of a day.
    #[must_use]
    pub fn list_manifests(state: &State, day: usize) -> ManifestListing {
        let day = &state.days[day];
        ManifestListing { newest: day.newest(), intents: day.intents.clone() }
    }

    /// A day as it is at this moment.
    #[must_use]
    pub fn view(&self, state: &State, day: usize) -> View {
        self.view_of(state, day, &self.list_data(state, day), &Self::list_manifests(state, day))
    }

    /// A day as it is at this moment, unless files of an unknown generation lie there: then
    /// nothing can be concluded from its manifests.
    #[must_use]
    pub fn look(&self, state: &State, day: usize) -> Option<View> {
        let view = self.view(state, day);
        let unknown = matches!(view.rows, Err(Damage::Unnamed | Damage::ManifestGone));
        (!unknown).then_some(view)
    }

    /// A day as a listing in two steps shows it. Leaves and files are read now.
    #[must_use]
    pub fn view_of(
        &self,
        state: &State,
        day: usize,
        data: &DataListing,
        manifests: &ManifestListing,
    ) -> View {
        let newest = manifests.newest;
        let manifest = state.days[day].manifest(newest).map(Arc::clone);
        let nothing = Manifest::default();
        let said = manifest.as_deref().unwrap_or(&nothing);
        let mut loose = data.leaves.minus(said.absorbed);
        if let Some(foreign) = data.foreign {
            let absorbed = !foreign.id().common(said.absorbed).is_empty()
                && (self.rules.foreign_by_content || said.foreign_key == foreign.key);
            if !absorbed {
                loose = loose.or(foreign.id());
            }
        }
        let fingerprint = Fingerprint { ids: loose.or(said.absorbed), marks: said.marks };
        let in_flight = |key: &Key| !self.rules.intents || manifests.intents.contains(key);
        let rows = if newest > 0 && manifest.is_none() {
            Err(Damage::ManifestGone)
        } else if data.files.iter().any(|key| key.generation > newest && !in_flight(key)) {
            Err(Damage::Unnamed)
        } else {
            self.named_rows(state, day, said).map(|named| {
                let foreign = data.foreign.filter(|file| !file.id().common(loose).is_empty());
                let foreign_rows = foreign.map_or(Rows::NONE, Foreign::rows);
                named.plus(state.rows_in(loose)).plus(foreign_rows)
            })
        };
        View { newest, manifest, loose, fingerprint, rows }
    }

    /// Whether a day that [`Damage::Unnamed`] was found in would be called damaged although
    /// nothing was taken away from outside. A file without manifest and intent must be there in
    /// two listings in a row: a writer that withdraws deletes its files, then its intent, and a
    /// listing in two steps may see the file and not the intent.
    #[must_use]
    pub fn wrongly_damaged(
        &self,
        state: &State,
        day: usize,
        data: &DataListing,
        manifests: &ManifestListing,
    ) -> bool {
        let unnamed =
            |key: &&Key| key.generation > manifests.newest && !manifests.intents.contains(key);
        let still_there = |key: &Key| state.days[day].data_files(*key).is_some();
        let called_damaged =
            !self.rules.damage_seen_twice || data.files.iter().filter(unnamed).any(still_there);
        // Manifests first, data later: every new file looks like damage, until the next listing.
        called_damaged && self.rules.data_first && !state.history.copied
    }

    /// The rows in the files that a manifest names.
    fn named_rows(&self, state: &State, day: usize, said: &Manifest) -> Result<Rows, Damage> {
        let Some(key) = said.named else { return Ok(Rows::NONE) };
        let known =
            self.rules.remains_carry_definition || said.remains >> state.definitions & 1 == 1;
        if said.purged && !(known && said.remains != 0) {
            return Err(Damage::NoRemains);
        }
        match state.days[day].data_files(key) {
            Some(files) if files.parts < self.parts => Err(Damage::FilesGone),
            Some(files) if !files.intact => Err(Damage::FilesDamaged),
            Some(files) => Ok(files.rows),
            None => Err(Damage::FilesGone),
        }
    }
}
