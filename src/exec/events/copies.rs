//! The copies of a day that don't count.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{Array as _, AsArray, BooleanArray},
    compute::filter_record_batch,
};
use datafusion::{
    catalog::Session,
    common::DFSchema,
    error::{DataFusionError, Result},
    logical_expr::Expr,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use tokio::sync::OnceCell;

use super::event_rows::{EventKeys, Events, each_batch, keys_by_row, read_remaining};
use crate::{
    base::Day,
    exec::cached_metadata,
    model::{Dataset, EventProof, Leaf, Unique, given_hashes, has_no_copies, row_hashes},
    store::{FileFooter, Root},
};

/// How many footers are read at once.
const CONCURRENT_FOOTERS: usize = 32;

/// The rows that count, of some days. They are found once.
#[derive(Debug)]
pub(crate) struct CountedRows {
    dataset: Dataset,
    rule: Unique,
    days: BTreeMap<Day, Vec<Arc<Leaf>>>,
    /// The condition on rows that are no copies of any row.
    without: Option<Expr>,
    selections: OnceCell<HashMap<Path, RowSelection>>,
}

/// The best copy of an event so far: its rank, the hashes of what was given of it and of all of it,
/// and where it is. What is computed, such as a price, decides only between equal rows.
struct Best {
    rank: Box<[u8]>,
    hash: (u128, u128),
    file: usize,
    row: usize,
}

/// The best copies so far, by the identity of their event.
type BestCopies = HashMap<Box<[u8]>, Best>;

impl CountedRows {
    /// The rows that count among those of `leaves`, which are all leaves of their days that may
    /// hold a copy of an event in question. Rows that meet `without` are no copies of any row.
    /// `None` when every row of the dataset counts.
    pub(crate) fn of(
        dataset: &Dataset,
        leaves: &[Arc<Leaf>],
        without: Option<&Expr>,
    ) -> Option<Arc<Self>> {
        let rule = dataset.unique()?.clone();
        let mut days: BTreeMap<Day, Vec<Arc<Leaf>>> = BTreeMap::new();
        for leaf in leaves {
            days.entry(leaf.day).or_default().push(Arc::clone(leaf));
        }
        let (dataset, without) = (dataset.clone(), without.cloned());
        Some(Arc::new(Self { dataset, rule, days, without, selections: OnceCell::new() }))
    }

    /// The rows to read of files in which some rows don't count. Of other files all rows are read.
    ///
    /// # Errors
    /// `Corrupt` when a file is damaged; `NotFound` when it is gone; `Unavailable` when the store
    /// refuses.
    pub(crate) async fn selections(
        &self,
        state: &dyn Session,
        root: &Root,
    ) -> Result<&HashMap<Path, RowSelection>> {
        self.selections.get_or_try_init(|| self.find(state, root)).await
    }

    /// What is proven about files that are written anew from all rows of the leaves.
    ///
    /// # Errors
    /// As [`selections`](Self::selections).
    pub(crate) async fn proof_of_all(
        &self,
        state: &dyn Session,
        root: &Root,
    ) -> Result<EventProof> {
        let proofs = self.proofs(state, root).await?;
        let keyed = proofs.values().any(|proof| proof.as_ref().is_none_or(|proof| proof.keyed));
        let distinct = self.selections(state, root).await?.is_empty();
        let rule = self.rule.text();
        Ok(EventProof { rule, keyed, distinct, apart: Vec::new(), apart_in_generation: distinct })
    }

    async fn find(&self, state: &dyn Session, root: &Root) -> Result<HashMap<Path, RowSelection>> {
        let proofs = self.proofs(state, root).await?;
        let mut selections = HashMap::new();
        for leaves in self.days.values() {
            let proof = |leaf: &Leaf| proofs.get(&leaf.file.location).and_then(Option::as_ref);
            let proven: Vec<_> = leaves.iter().map(|leaf| (leaf.as_ref(), proof(leaf))).collect();
            let purged = self.purged(state, root, leaves).await?;
            if purged.is_some() || !has_no_copies(&proven) {
                selections.extend(self.of_day(state, root, leaves, purged.as_ref()).await?);
            }
        }
        Ok(selections)
    }

    /// Compares the rows of a day. `purged` are the events that were counted before the day was
    /// purged: no copy of them counts.
    ///
    /// The hashes of identities show which rows may be copies. Only these rows are compared.
    async fn of_day(
        &self,
        state: &dyn Session,
        root: &Root,
        leaves: &[Arc<Leaf>],
        purged: Option<&EventKeys>,
    ) -> Result<Vec<(Path, RowSelection)>> {
        let mut keys = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            keys.push(keys_by_row(state, root, &self.dataset, (&self.rule, leaf)).await?);
        }
        let shared = shared_keys(&keys);
        let is_purged = |key: &u64| purged.is_some_and(|purged| purged.contain(*key));
        let mut counts: Vec<Vec<bool>> = Vec::with_capacity(leaves.len());
        for keys in &keys {
            let counts_row = |key: &Option<u64>| !key.as_ref().is_some_and(is_purged);
            counts.push(keys.iter().map(counts_row).collect());
        }
        let mut best = BestCopies::new();
        for (file, (leaf, keys)) in leaves.iter().zip(&keys).enumerate() {
            let is_shared = |key: &Option<u64>| {
                key.is_some_and(|key| shared.binary_search(&key).is_ok() && !is_purged(&key))
            };
            let candidates: Vec<_> = keys.iter().map(is_shared).collect();
            if candidates.contains(&true) {
                let candidates = Candidates { file, rows: &candidates };
                self.compare(state, root, leaf, candidates, (&mut best, &mut counts)).await?;
            }
        }
        let selected = leaves.iter().zip(counts).filter(|(_, counts)| counts.contains(&false));
        let selected =
            selected.map(|(leaf, counts)| (leaf.file.location.clone(), selection(&counts)));
        Ok(selected.collect())
    }

    /// Compares the candidates of a file with the best copies so far.
    async fn compare(
        &self,
        state: &dyn Session,
        root: &Root,
        leaf: &Arc<Leaf>,
        candidates: Candidates<'_>,
        (best, counts): (&mut BestCopies, &mut [Vec<bool>]),
    ) -> Result<()> {
        let without = match &self.without {
            None => None,
            Some(without) => {
                let schema = DFSchema::try_from(self.dataset.file_schema())?;
                Some(state.create_physical_expr(without.clone(), &schema)?)
            }
        };
        let mut before = 0;
        each_batch(state, root, &self.dataset, (leaf, None), |rows| {
            let left_out = match &without {
                None => None,
                Some(without) => Some(without.evaluate(&rows)?.into_array(rows.num_rows())?),
            };
            let left_out = left_out.as_ref().map(AsArray::as_boolean);
            let is_left_out = |row| left_out.is_some_and(|it| it.is_valid(row) && it.value(row));
            let is_candidate = |row: usize| candidates.rows.get(before + row) == Some(&true);
            let mask: BooleanArray = (0..rows.num_rows())
                .map(|row| Some(is_candidate(row) && !is_left_out(row)))
                .collect();
            let places: Vec<_> = (0..rows.num_rows())
                .filter(|row| mask.value(*row))
                .map(|row| before + row)
                .collect();
            before += rows.num_rows();
            let rows = filter_record_batch(&rows, &mask)?;
            let events = Events::of(&self.rule, &rows)?;
            let hashes = given_hashes(&self.dataset, &rows)?.into_iter().zip(row_hashes(&rows)?);
            for (at, (row, hash)) in places.into_iter().zip(hashes).enumerate() {
                if let Some(identity) = events.identity(at) {
                    let candidate = (events.rank(at), hash, candidates.file, row);
                    settle(best, counts, identity, candidate);
                }
            }
            Ok(())
        })
        .await
    }

    /// The events that were counted before the day was purged, if it was.
    async fn purged(
        &self,
        state: &dyn Session,
        root: &Root,
        leaves: &[Arc<Leaf>],
    ) -> Result<Option<EventKeys>> {
        let Some(events) = self.dataset.events() else { return Ok(None) };
        let mut remains = leaves.iter().filter_map(|leaf| leaf.remains.as_ref());
        let segment = remains.find_map(|remains| remains.get(events.definition_hash()));
        let Some(segment) = segment else { return Ok(None) };
        read_remaining(state, root, (events, segment)).await.map(Some)
    }

    /// What the footer of each file proves, if it proves anything under the rule.
    async fn proofs(
        &self,
        state: &dyn Session,
        root: &Root,
    ) -> Result<HashMap<Path, Option<EventProof>>> {
        let leaves = self.days.values().flatten();
        let proofs = leaves.map(|leaf| self.proof(state, root, Arc::clone(leaf)).boxed());
        let proofs = stream::iter(proofs.collect::<Vec<_>>());
        proofs.buffer_unordered(CONCURRENT_FOOTERS).try_collect().await
    }

    async fn proof(
        &self,
        state: &dyn Session,
        root: &Root,
        leaf: Arc<Leaf>,
    ) -> Result<(Path, Option<EventProof>)> {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let metadata = cached_metadata(cache.as_ref(), root, &leaf.file).await;
        let metadata = metadata.map_err(|error| DataFusionError::External(Box::new(error)))?;
        // Another tool's file proves nothing.
        let proof = FileFooter::of(&metadata).ok().and_then(|footer| footer.events().cloned());
        Ok((leaf.file.location.clone(), proof.and_then(|proof| proof.under(&self.rule))))
    }
}

/// The rows of a file that may be copies.
#[derive(Clone, Copy)]
struct Candidates<'a> {
    file: usize,
    rows: &'a [bool],
}

/// The keys that more than one row has, sorted.
fn shared_keys(files: &[Vec<Option<u64>>]) -> Vec<u64> {
    let mut all: Vec<u64> = files.iter().flatten().flatten().copied().collect();
    all.sort_unstable();
    let shared = all.chunk_by(|one, other| one == other).filter(|rows| rows.len() > 1);
    shared.filter_map(|rows| rows.first().copied()).collect()
}

/// Compares a row with the best copy of its event so far. Marks the one that doesn't count.
fn settle(
    best: &mut BestCopies,
    counts: &mut [Vec<bool>],
    identity: &[u8],
    (rank, hash, file, row): (&[u8], (u128, u128), usize, usize),
) {
    let mut beaten = None;
    match best.get_mut(identity) {
        None => {
            best.insert(identity.into(), Best { rank: rank.into(), hash, file, row });
        }
        Some(other) if (rank, hash) < (&*other.rank, other.hash) => {
            beaten = Some((other.file, other.row));
            *other = Best { rank: rank.into(), hash, file, row };
        }
        Some(_) => beaten = Some((file, row)),
    }
    if let Some((file, row)) = beaten
        && let Some(counted) = counts.get_mut(file).and_then(|rows| rows.get_mut(row))
    {
        *counted = false;
    }
}

/// The selection of the rows that count.
fn selection(counts: &[bool]) -> RowSelection {
    let runs = counts.chunk_by(|one, other| one == other);
    let selectors = runs.map(|run| match run.first() {
        Some(true) => RowSelector::select(run.len()),
        _ => RowSelector::skip(run.len()),
    });
    selectors.collect::<Vec<_>>().into()
}
