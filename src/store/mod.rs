//! Floor 2: a root's files. Paths, listing, Parquet files and how one becomes visible; no queries.

mod account;
mod claims;
mod clock;
mod create;
mod definitions;
mod disk;
mod errors;
mod files;
mod footer;
mod foreign;
mod integrity;
mod kept;
mod layout;
mod listing;
mod listings;
mod local_days;
mod location;
mod manifests;
mod meter;
mod other_disk;
mod pages;
mod parquet_file;
mod permissions;
mod raw_folder;
mod remote;
mod root;
mod seal;
mod segment_writer;
mod staging;
mod unfinished;
mod voids;

pub(crate) use account::{
    CompactedFooter, ErasedValue, FileFooter, FileKind, LeafFooter, MonthFooter, RemainsFooter,
    SegmentFooter, SetFooter, Void,
};
pub(crate) use claims::{Claim, ClaimedLeaf, create_claim, list_claims, newest_claim};
pub(crate) use clock::StoreClock;
pub(crate) use create::{Creation, create_bytes, create_file};
pub(crate) use definitions::{
    Definitions, Stored, check_newest_definition, create_definition, move_to_format_2,
    probe_create, read_definitions,
};
pub(crate) use errors::{store_error, store_error_kind};
pub(crate) use files::{
    Base, Damage, Leaf, LeafDay, LeafKind, SegmentDay, SegmentFile, month_fingerprint,
};
pub(crate) use footer::{
    NO_ACCOUNT, read_account, read_body, read_footer, read_metadata, read_metadata_and_index,
};
pub(crate) use foreign::{foreign_file, hash_now};
pub(crate) use integrity::{
    check_bytes, check_file, check_hint, check_once, name_damage, whole_file,
};
pub(crate) use kept::Kept;
pub(crate) use layout::{
    ManifestTag, Period, compacted_name, intent_path, leaf_path, manifest_path, month_path,
    raw_path, raw_prefix, remains_name, segment_path, segments_prefix,
};
pub(crate) use listing::{Segments, list_leaves, list_raw, list_segments, live_days};
pub(crate) use manifests::{
    create_manifest, create_tag, delete_file, leaf_ids, newest_manifest, read_base, read_manifest,
};
pub(crate) use meter::Meter;
pub(crate) use parquet_file::{FileDigest, Packing, SealedWriter, distinct_texts};
pub(crate) use raw_folder::RawFolder;
pub(crate) use root::Root;
pub(crate) use segment_writer::SegmentWriter;
pub(crate) use staging::Staging;
pub(crate) use unfinished::Unfinished;
pub(crate) use voids::{Voiding, create_void, is_absorbed, leaf_at};
