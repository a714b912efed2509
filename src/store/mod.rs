//! Floor 2: a root's files. Paths, listing, Parquet files and how one becomes visible; no queries.

mod account;
mod create;
mod definitions;
mod disk;
mod errors;
mod files;
mod footer;
mod integrity;
mod kept;
mod layout;
mod listing;
mod listings;
mod local_days;
mod manifests;
mod meter;
mod pages;
mod parquet_file;
mod raw_folder;
mod remote;
mod root;
mod seal;
mod segment_writer;
mod staging;

pub(crate) use account::{
    CompactedFooter, FileFooter, FileKind, LeafFooter, MonthFooter, SegmentFooter,
};
pub(crate) use create::{Creation, create_bytes, create_file};
pub(crate) use definitions::{
    keep_definition, list_definitions, read_definition, read_kept_definition, replace_definition,
};
pub(crate) use errors::{store_error, store_error_kind};
pub(crate) use files::{Base, Leaf, LeafDay, LeafKind, SegmentDay, SegmentFile, month_fingerprint};
pub(crate) use footer::{
    read_account, read_body, read_footer, read_metadata, read_metadata_and_index,
};
pub(crate) use integrity::{check_bytes, check_file, name_damage, whole_segment};
pub(crate) use kept::Kept;
pub(crate) use layout::{
    DATASET_FILE, ManifestTag, Period, claim_path, compacted_name, definition_path, leaf_path,
    manifest_path, month_path, raw_path, raw_prefix, segment_path, segments_prefix, tag_path,
};
pub(crate) use listing::{Segments, list_leaves, list_raw, list_segments, live_days};
pub(crate) use manifests::{
    create_manifest, create_tag, delete_file, is_absorbed, leaf_ids, read_base, read_manifest,
};
pub(crate) use meter::Meter;
pub(crate) use parquet_file::{FileDigest, Packing, SealedWriter, distinct_texts};
pub(crate) use raw_folder::RawFolder;
pub(crate) use root::Root;
pub(crate) use segment_writer::SegmentWriter;
pub(crate) use staging::Staging;
