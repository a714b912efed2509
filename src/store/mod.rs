//! Floor 2: a root's files. Paths, listing, Parquet files and how one becomes visible; no queries.

mod create;
mod errors;
mod files;
mod footer;
mod integrity;
mod layout;
mod listing;
mod local_days;
mod meter;
mod parquet_file;
mod remote;
mod root;
mod staging;

pub(crate) use create::{Creation, create_bytes, create_file};
pub(crate) use errors::{store_error, store_error_kind};
pub(crate) use files::{Leaf, LeafDay, SegmentDay, SegmentFile};
pub(crate) use footer::{
    FileFooter, FileKind, LeafFooter, SegmentFooter, read_body, read_footer, read_metadata,
};
pub(crate) use integrity::{check_file, name_damage};
pub(crate) use layout::{
    DATASET_FILE, FileName, claim_path, leaf_path, raw_prefix, segment_path, segments_prefix,
};
pub(crate) use listing::{list_leaves, list_segments};
pub(crate) use meter::Meter;
pub(crate) use parquet_file::{FileDigest, Packing, SealedWriter};
pub(crate) use root::Root;
pub(crate) use staging::Staging;
