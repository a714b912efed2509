//! A query of a day: a listing in two steps, then reading.

use crate::actor::Actor;
use crate::invariants::Violation;
use crate::leaf::Leaf;
use crate::process::Process;
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Foreign, State};
use crate::view::{Damage, DataListing, ManifestListing};
use std::sync::Arc;

/// A query between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// What it does next.
    pub stage: QueryStage,
    /// The day.
    pub day: u8,
    /// The data that was listed.
    pub data: Option<DataListing>,
    /// The manifests that were listed.
    pub manifests: Option<ManifestListing>,
    /// The rows that were acknowledged when the query started. Only invariants look at them.
    pub acknowledged: Rows,
    /// The rows that were erased when the query started. Only invariants look at them.
    pub erased: Rows,
}

/// The next step of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryStage {
    /// List what is not listed yet.
    SecondListing,
    /// Read.
    Read,
}

impl Scenario {
    /// Lists the data of a day.
    pub(crate) fn start_query(&self, state: &mut State, day: usize) -> bool {
        let mut query = Query {
            stage: QueryStage::SecondListing,
            day: u8::from(day != 0),
            data: None,
            manifests: None,
            acknowledged: state.history.acknowledged,
            erased: state.history.erased,
        };
        if self.rules.data_first {
            query.data = Some(self.list_data(state, day));
        } else {
            query.manifests = Some(Self::list_manifests(state, day));
        }
        state.goes_on(Actor::Query, Process::Query(Arc::new(query)));
        true
    }

    /// The next step of a query.
    pub(crate) fn step_query(&self, state: &mut State, mut query: Query) {
        let day = usize::from(query.day);
        match query.stage {
            QueryStage::SecondListing => {
                query.data.get_or_insert_with(|| self.list_data(state, day));
                query.manifests.get_or_insert_with(|| Self::list_manifests(state, day));
                query.stage = QueryStage::Read;
                state.goes_on(Actor::Query, Process::Query(Arc::new(query)));
            }
            QueryStage::Read => {
                if let Some(violation) = self.read(state, &query) {
                    state.violate(violation);
                }
            }
        }
    }

    /// Reads what was listed, and judges the answer. Whatever is gone or has changed since: the
    /// query lists again, which the model leaves to another run.
    fn read(&self, state: &State, query: &Query) -> Option<Violation> {
        let day = usize::from(query.day);
        let data = query.data.as_ref()?;
        let manifests = query.manifests.as_ref()?;
        let view = self.view_of(state, day, data, manifests);
        if data.foreign.is_some() && data.foreign != state.foreign {
            return None;
        }
        if view.loose.leaves().any(|id| state.leaf(id) == Leaf::Absent) {
            return None;
        }
        let rows = match view.rows {
            Ok(rows) => rows,
            Err(Damage::Unnamed) if self.wrongly_damaged(state, day, data, manifests) => {
                return Some(Violation::WholeDayDamaged);
            }
            Err(_) => return None,
        };
        let foreign = data.foreign.map_or(Rows::NONE, Foreign::rows);
        let expected = query.acknowledged.with(foreign);
        let current = data.hints.iter().filter(|hint| {
            hint.fingerprint == view.fingerprint
                && hint.definition == state.definitions
                && state.hints.contains(hint)
        });
        current
            .map(|hint| hint.rows)
            .chain([rows])
            .find_map(|rows| self.judge(state, day, rows, expected, query.erased))
            .map(|violation| match violation {
                Violation::RowLost => Violation::QueryMisses,
                Violation::RowDoubled => Violation::QueryDoubles,
                other => other,
            })
    }
}
