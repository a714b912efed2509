//! Layer 2: the files of a root. Paths, listing, Parquet files, and how a file becomes visible.
//! No queries.
//!
//! # The storage protocol
//!
//! Files are immutable. Any number of hosts work at once. The only atomic operation is *create if
//! absent*. No answer depends on a host's clock or on the age of a file: age only delays
//! deletions. The model in `tests/protocol` explores these rules. Its transitions have the names of
//! the failpoints.
//!
//! **A day is a chain of generations.** The writer that creates manifest *g* + 1 first decides
//! the content of generation *g* + 1. The files of a generation carry its number and the attempt
//! of their writer. An intent announces the files. Once manifest *g* exists, a file of generation
//! *g* that manifest *g* doesn't name is dead for good. A dead file never becomes live again:
//! each manifest carries every leaf that its predecessors absorbed, and no name is used twice.
//!
//! **Rules for readers**
//! 1. List data first, then manifests. If a leaf is gone from the data listing, the manifest that
//!    absorbed the leaf is in the manifest listing.
//! 2. The live rows are the rows of the newest manifest's files and of the leaves that the newest
//!    manifest has not absorbed.
//! 3. A file above the newest generation with an intent counts as being written. Readers ignore
//!    the file. If such a file has no intent in two listings in a row, manifests are lost and the
//!    day is damaged.
//! 4. When a listed file is gone, the reader drops all cached listings, lists again and plans
//!    again.
//! 5. A segment below `rollups/` is a hint. A reader checks the bytes that it reads. When a
//!    segment is wrong in any way, a warning names the segment, and the rows that the segment was
//!    built from answer instead.
//! 6. A damaged day fails the queries that touch the day, and no other query.
//!
//! **Rules for writers**
//! 1. Append: the claim of a named batch lists every leaf before any leaf is created. The first
//!    leaf is settled before the other leaves are created. A retry uses the definition and the
//!    date of the claim.
//! 2. A claim can be given up while none of its leaves is visible: a void takes the name of the
//!    first leaf. If a hint was built from that leaf, the leaf was visible before and is now
//!    lost, so the claim can't be given up.
//! 3. A rewriting (compact, purge, erase) creates the intent, creates the files, reads the files
//!    back, creates the manifest, creates the tag, and deletes the intent, in that order. The
//!    hashes of the source files are checked. A writer that lost deletes its files, then its
//!    intent.
//! 4. Erase: void every leaf that is claimed and not published. Rewrite each day under a mark,
//!    after which older hints are never current. Close the generations that are being written.
//!    Repeat until no matching row is left and no generation is being written.
//! 5. Definitions are a chain. Before a purge creates its manifest, the purge checks that there
//!    is no newer definition.
//!
//! **Rules for `gc`**
//! 1. The newest manifest of a day determines which files can be deleted. Nothing of a damaged
//!    day is deleted.
//! 2. Before an absorbed leaf or a superseded file of a day is deleted, every file that the
//!    manifest names is read whole and compared with the manifest.
//! 3. Before the files of a generation that may still have a writer are deleted, the generation
//!    is closed by a manifest with the content of the previous one.
//! 4. `gc` never deletes manifests, voids, claims, definitions, files of other tools, or files
//!    whose names this program doesn't use.
//! 5. Hints other than the best one of their day are deleted without proof, because a hint is
//!    nobody's last copy. A hint that proves a lost leaf, or that has the rows of a purged day,
//!    is not deleted, so that `verify` can report the loss.

mod cache;
mod claims;
mod clock;
mod definitions;
mod errors;
mod layout;
mod list;
mod load_snapshot;
mod manifests;
mod object;
mod parquet;
mod root;
mod root_definitions;
mod voids;
mod write;

pub(crate) use self::parquet::block_hashes::BlockHashes;
pub(crate) use self::parquet::check::{
    FileCheck, check_bytes, check_file, check_hint, check_once, name_damage, whole_file,
};
pub(crate) use self::parquet::file_writer::{
    ChecksummedWriter, FileDigest, Packing, distinct_texts,
};
pub(crate) use self::parquet::footer::{FileFooter, FileKind};
pub(crate) use self::parquet::footer_kinds::{
    CompactedFooter, ErasedValue, LeafFooter, MonthFooter, RemainsFooter, SegmentFooter, SetFooter,
    Void,
};
pub(crate) use self::parquet::read_footer::{
    DAMAGED, NO_FOOTER, file_footer, read_body, read_footer, read_metadata, read_metadata_and_index,
};
pub(crate) use self::parquet::segment_writer::SegmentWriter;
pub(crate) use cache::bounded;
pub(crate) use cache::metadata::MetadataCache;
pub(crate) use claims::{Claim, ClaimedLeaf, create_claim, list_claims, newest_claim};
pub(crate) use clock::StoreClock;
pub(crate) use definitions::{
    Definitions, Stored, check_newest_definition, create_definition, has_definition,
    move_to_format_2, probe_create, read_definitions,
};
pub(crate) use errors::{lost_file, read_error, read_error_kind, store_error};
pub(crate) use layout::{
    compacted_name, intent_path, leaf_path, manifest_path, raw_path, raw_prefix, remains_name,
    segment_path, segments_prefix,
};
pub(crate) use list::foreign::{foreign_file, hash_now, leaf_in};
pub(crate) use list::listing::{
    Segments, has_raw_files, list_leaves, list_raw, list_segments, live_days,
};
pub(crate) use list::raw_folder::{RawFolder, WrittenFile};
pub(crate) use list::raw_name::{ManifestTag, Writer};
pub(crate) use load_snapshot::{Serving, load, load_more};
pub(crate) use manifests::{
    create_manifest, create_tag, delete_file, has_foreign, leaf_ids, newest_manifest, read_base,
    read_manifest,
};
pub(crate) use object::objects::{Object, objects_at};
pub(crate) use object::request_counter::RequestCounter;
pub(crate) use root::Root;
pub(crate) use root_definitions::{RootDefinitions, no_dataset};
pub(crate) use voids::{Voiding, create_void, hints_of, is_absorbed, leaf_at};
pub(crate) use write::create::{Creation, create_bytes, create_file};
pub(crate) use write::staging::Staging;
pub(crate) use write::unfinished::Unfinished;
