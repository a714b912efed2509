//! Deciding which finer rollup's segment can replace the raw rows as a segment's source. Pure.

use arrow::datatypes::DataType;

use crate::model::{Rollup, State, StoredState};

/// Whether a day's segment of `rollup` can be built from the segment of `other`. The result must
/// be byte for byte the same as from raw rows. On a `purged` day this isn't required of
/// estimates: a sketch that is laid out otherwise is better than none.
pub(super) fn is_finer(other: &Rollup, rollup: &Rollup, purged: bool) -> bool {
    let same_rows = other.filter() == rollup.filter();
    let same_columns = |column| other.dimensions().contains(column);
    same_rows
        && other.grain() <= rollup.grain()
        && other.definition_hash() != rollup.definition_hash()
        && rollup.dimensions().iter().all(same_columns)
        && rollup
            .states()
            .iter()
            .all(|state| other.states().contains(state) && (purged || merges(state)))
}

/// Whether merged states equal the states of the rows themselves to the last bit. Merged sketches
/// give the same estimates, but can be laid out otherwise.
fn merges((state, _): &(StoredState, DataType)) -> bool {
    !matches!(state.kind, State::Distinct | State::Percentiles)
}
