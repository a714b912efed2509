//! Floor 1: the vocabulary that the job and the rewrite share. No I/O and no runtime; of DataFusion
//! only its expressions and their parser.

mod beside_doubles;
mod column;
mod content;
mod dataset;
mod definition;
mod double_sum;
mod expansion;
mod expression;
mod fingerprint;
mod fold;
mod function;
mod hashed_text;
mod leaf;
mod manifest;
mod measure;
mod narrowed;
mod odd;
mod rollup;
pub(crate) mod sketch;

pub(crate) use beside_doubles::decimals_beside_doubles;
pub use column::{Column, ColumnType};
pub use content::ContentHash;
pub(crate) use content::ContentHasher;
pub(crate) use dataset::DATE_COLUMN;
pub use dataset::Dataset;
pub use definition::{DEFAULT_DEFINITION, FORMAT};
pub(crate) use double_sum::double_sum;
pub(crate) use expression::{Expression, normal};
pub use fingerprint::Fingerprint;
pub(crate) use fold::{Fold, StoredState, stored_needs_room};
pub use function::{Function, Quantile};
pub(crate) use hashed_text::{with_hash, without_hash};
pub use leaf::{BatchId, LeafId};
pub(crate) use manifest::{
    Absorbed, ForeignFile, MANIFEST_FORMAT, Manifest, ManifestFile, ManifestState, Remains,
    sorted_ids,
};
pub use measure::Measure;
pub(crate) use narrowed::narrowed;
pub(crate) use odd::{OddRule, Operand, Relation};
pub use rollup::Rollup;
pub(crate) use rollup::{HOUR_COLUMN, QUARTER_HOUR_COLUMN};
