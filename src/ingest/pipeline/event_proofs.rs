//! Proves which files of a day hold no copies of a new leaf's events. Readers then needn't compare
//! the files. Without a proof they do, so a proof that is missing costs time and never a digit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use tokio::{runtime::Handle, sync::OnceCell};

use crate::{
    base::{Day, Error, Result},
    exec::{EventKeys, read_keys, read_remaining},
    model::{Dataset, EventProof, LeafId, Unique},
    store::{Root, list_leaves},
};

/// How many events an append keeps in mind: 128 MB of hashes. Leaves beyond that get no proof.
const EVENTS_MAX: usize = 16 << 20;

/// Proves what it can about the leaves of one append.
pub(crate) struct EventProofs {
    rule: Unique,
    dataset: Arc<Dataset>,
    root: Root,
    session: SessionContext,
    days: Mutex<HashMap<Day, Arc<DayEvents>>>,
}

/// The events of a day's other files.
#[derive(Default)]
struct DayEvents {
    /// The files that were visible when the append met the day.
    visible: OnceCell<Vec<(LeafId, EventKeys)>>,
    /// The leaves of this append.
    staged: Mutex<Vec<(LeafId, Arc<EventKeys>)>>,
}

impl EventProofs {
    /// `None` when every row of the dataset counts.
    pub(crate) fn of(
        dataset: &Arc<Dataset>,
        root: &Root,
        session: &SessionContext,
    ) -> Option<Self> {
        let rule = dataset.unique()?.clone();
        let (dataset, root, session) = (Arc::clone(dataset), root.clone(), session.clone());
        Some(Self { rule, dataset, root, session, days: Mutex::default() })
    }

    /// The proof for a new leaf, and how many of its rows are copies of an event that another file
    /// or an earlier row holds. Reads the day's other files on the calling thread, which must be
    /// allowed to block.
    ///
    /// # Errors
    /// `Internal` when a column of the rule is missing.
    pub(crate) fn prove(
        &self,
        day: Day,
        id: &LeafId,
        rows: &RecordBatch,
    ) -> Result<(EventProof, u64)> {
        let rule = self.rule.text();
        let keys = Arc::new(EventKeys::of(&self.rule, rows)?);
        let nothing = EventProof {
            rule,
            keyed: keys.len() > 0,
            distinct: keys.are_distinct(),
            apart: Vec::new(),
            apart_in_generation: false,
        };
        if keys.len() == 0 {
            return Ok((nothing, 0));
        }
        let events = {
            let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(days.entry(day).or_default())
        };
        let visible = Handle::current().block_on(events.visible.get_or_init(|| self.visible(day)));
        let staged = {
            let mut staged = events.staged.lock().unwrap_or_else(PoisonError::into_inner);
            let before = staged.clone();
            if before.iter().map(|(_, keys)| keys.len()).sum::<usize>() < EVENTS_MAX {
                staged.push((id.clone(), Arc::clone(&keys)));
            }
            before
        };
        let others = visible.iter().map(|(id, keys)| (id, keys));
        let others = others.chain(staged.iter().map(|(id, keys)| (id, keys.as_ref())));
        let others = others.filter(|(other, _)| *other != id);
        // A file without events says so itself. A void may give its name to rows one day.
        let apart = others.clone().filter(|(_, other)| other.len() > 0 && keys.are_apart(other));
        let mut apart: Vec<_> = apart.map(|(id, _)| id.clone()).collect();
        apart.sort_unstable();
        apart.dedup();
        let copies = keys.copies(&others.map(|(_, keys)| keys).collect::<Vec<_>>());
        Ok((EventProof { apart, ..nothing }, copies))
    }

    /// The events of the day's visible files, as far as they can be read.
    async fn visible(&self, day: Day) -> Vec<(LeafId, EventKeys)> {
        let mut visible = Vec::new();
        let mut room = EVENTS_MAX;
        let days = list_leaves(&self.root, (day, day)).await.unwrap_or_default();
        let leaves = days.iter().flat_map(|live| &live.leaves).filter(|leaf| !leaf.is_purged());
        let state = self.session.state();
        let purged = self.dataset.events().and_then(|events| {
            let remains = days.iter().find_map(|live| live.remains_of(events));
            Some((events, remains?))
        });
        if let Some((events, segment)) = purged
            && let Ok(keys) = read_remaining(&state, &self.root, (events, segment)).await
        {
            // No leaf has this id: the events only count as known.
            visible.push((LeafId::of_compacted(segment.file.location.as_ref()), keys));
        }
        for leaf in leaves {
            let read = read_keys(&state, &self.root, &self.dataset, (&self.rule, leaf)).await;
            match read {
                Ok(keys) if keys.len() <= room => {
                    room -= keys.len();
                    visible.push((leaf.id.clone(), keys));
                }
                Ok(_) => break,
                Err(error) => tracing::debug!(
                    "no proof against {}: {}",
                    leaf.file.location,
                    Error::from(error)
                ),
            }
        }
        visible
    }
}
