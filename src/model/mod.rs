//! Layer 1: the vocabulary that jobs and the rewrite share. This layer does no I/O and needs no
//! runtime. Of DataFusion it uses only expressions, their parser, and functions of values.

pub(crate) mod algebra;
pub(crate) mod column;
pub(crate) mod definition;
pub(crate) mod files;
mod snapshot;

pub use algebra::{Function, Quantile};
pub(crate) use algebra::{
    State, StoredState, as_is, cast_exactly, changed_expressions, checked, double_sum,
    exact_operands, in_order, is_as_is, is_in_zone, narrowed, opaque, sketch, stored_needs_room,
    tag,
};
pub use column::{Column, ColumnType};
pub(crate) use definition::{
    DATE_COLUMN, EVENT_COLUMN, Expression, HOUR_COLUMN, Operand, QUARTER_HOUR_COLUMN, REPRICED,
    Relation, WarningRule, normal,
};
pub use definition::{
    DEFAULT_DEFINITION, Dataset, FORMAT, Measure, Prefer, Pricing, Rollup, Unique,
};
pub(crate) use files::{
    Absorbed, Base, ContentHasher, Damage, EventProof, ForeignFile, LeafDay, LeafKind,
    MANIFEST_FORMAT, Manifest, ManifestFile, ManifestState, PeriodLength, PeriodSegments, Remains,
    are_apart, given_hashes, has_no_copies, month_fingerprint, row_hashes, sorted_ids, with_hash,
    without_hash,
};
pub use files::{BatchId, ContentHash, Fingerprint, LeafId, Period};
pub(crate) use files::{Leaf, SegmentFile};
pub(crate) use snapshot::{EventProofs, Freshness, Snapshot, freshness};
