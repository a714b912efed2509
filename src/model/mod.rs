//! Floor 1: the vocabulary that the job and the rewrite share. No I/O and no runtime; of DataFusion
//! only its expressions.

mod column;
mod content;
mod dataset;
mod definition;
mod fingerprint;
mod leaf;
mod measure;
mod odd;
mod rollup;
mod state;

pub use column::{Column, ColumnType};
pub use content::ContentHash;
pub(crate) use content::ContentHasher;
pub(crate) use dataset::DATE_COLUMN;
pub use dataset::Dataset;
pub use definition::{DEFAULT_DEFINITION, FORMAT};
pub use fingerprint::Fingerprint;
pub use leaf::{BatchId, LeafId};
pub use measure::{Function, Measure};
pub(crate) use odd::{OddRule, Operand, Relation};
pub(crate) use rollup::HOUR_COLUMN;
pub use rollup::Rollup;
pub(crate) use state::{Fold, StoredState};
