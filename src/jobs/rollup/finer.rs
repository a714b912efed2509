//! Which finer rollup's segment a segment can be made of, in place of the raw rows. Pure.

use arrow::datatypes::DataType;

use crate::model::{Rollup, State, StoredState};

/// Whether the rollup's segment of a day can be made of the other's: byte for byte, unless of
/// `purged` rows, where estimates that are laid out otherwise are better than none.
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

/// Whether merged states are those of the rows themselves to the last bit: merged sketches estimate
/// the same, but can be laid out otherwise.
fn merges((state, _): &(StoredState, DataType)) -> bool {
    !matches!(state.kind, State::Distinct | State::Percentiles)
}
