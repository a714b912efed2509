//! What a root's files are: leaves, segments and manifests, with their ids and hashes. Their paths
//! are in `store/layout`.

mod content_hash;
mod day_files;
mod event_proof;
mod fingerprint;
mod hashed_text;
mod leaf;
mod leaf_id;
mod manifest;
mod period;
mod segment;

pub use content_hash::ContentHash;
pub(crate) use content_hash::{ContentHasher, given_hashes, row_hashes};
pub(crate) use day_files::{Base, Damage, LeafDay, month_fingerprint};
pub(crate) use event_proof::{EventProof, are_apart, has_no_copies};
pub use fingerprint::Fingerprint;
pub(crate) use hashed_text::{with_hash, without_hash};
pub(crate) use leaf::Leaf;
pub(crate) use leaf::LeafKind;
pub use leaf_id::{BatchId, LeafId};
pub(crate) use manifest::{
    Absorbed, ForeignFile, MANIFEST_FORMAT, Manifest, ManifestFile, ManifestState, Remains,
    sorted_ids,
};
pub use period::Period;
pub(crate) use period::PeriodLength;
pub(crate) use segment::PeriodSegments;
pub(crate) use segment::SegmentFile;
