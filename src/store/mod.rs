//! Floor 2: a root's files. Paths, listing, Parquet files and how one becomes visible; no queries.
//!
//! # The storage protocol
//!
//! Files are immutable, any number of hosts work at once, and the only atomic operation is *create
//! if absent*. Nothing is concluded from a host's clock or from how old a file is. The model in
//! `tests/protocol` explores these rules; its transitions and the failpoints have the same names.
//!
//! **A day is a chain of generations.** Whoever creates manifest *g* + 1 first decides what that
//! generation is. Files of a generation bear its number and their writer's attempt, and an intent
//! announces them. Once manifest *g* exists, a file of *g* that it doesn't name is dead for good.
//! What is dead stays dead: a manifest carries every leaf that its predecessors absorbed, and no
//! name is used twice.
//!
//! **Rules for readers**
//! 1. List data first, then manifests: a leaf that is gone was absorbed by a manifest that is seen.
//! 2. Live rows are the newest manifest's files, and the leaves that it has not absorbed.
//! 3. A file above the newest generation with an intent is being written, and ignored. The same
//!    file without one in two listings in a row means lost manifests: the day is damaged.
//! 4. A listed file that is gone: forget all kept listings, list again, plan again.
//! 5. A segment below `rollups/` is a hint. Its bytes are checked where it is read; anything wrong
//!    with it is named, and what it was made of answers.
//! 6. A damaged day is an error of queries that touch it, and of no other.
//!
//! **Rules for writers**
//! 1. Append: the claim of a named batch lists every leaf, before any is created. The first leaf is
//!    settled before the others. A retry works under its claim's definition and date.
//! 2. A claim of which nothing is visible can be given up: a void takes the first leaf's name.
//!    Hints that were built from the leaf prove that it was visible, and is lost.
//! 3. A rewriting (compact, purge, erase): intent, files, read back, manifest, tag, and the intent
//!    goes. Sources are compared with their hashes. Who lost deletes its files, then its intent.
//! 4. Erase: void what is claimed and not published, rewrite each day under a mark that makes
//!    earlier hints useless, close generations that are being written, and look again until
//!    nothing is left.
//! 5. Definitions are a chain; a purge makes sure before its manifest that no newer one came.
//!
//! **Rules for `gc`**
//! 1. Candidates follow from a day's newest manifest. A damaged day keeps all that it has.
//! 2. Before anything of a day goes, all that the manifest names is read whole and compared.
//! 3. A generation that somebody may be writing is closed, by a manifest that says what the last
//!    one did, before its files go.
//! 4. Never: manifests, voids, claims, definitions, files of other tools, names that aren't ours.
//! 5. Hints that aren't the best of their day go without proof: a hint is nobody's last copy. One
//!    that tells of a lost leaf, or of what a purged day had, stays for `verify`.

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
    check_bytes, check_file, check_hint, check_once, name_damage, whole_file,
};
pub(crate) use self::parquet::file_writer::{
    ChecksummedWriter, FileDigest, Packing, distinct_texts,
};
pub(crate) use self::parquet::footer::{
    CompactedFooter, ErasedValue, FileFooter, FileKind, LeafFooter, MonthFooter, RemainsFooter,
    SegmentFooter, SetFooter, Void,
};
pub(crate) use self::parquet::read_footer::{
    DAMAGED, NO_FOOTER, file_footer, read_body, read_footer, read_metadata, read_metadata_and_index,
};
pub(crate) use self::parquet::segment_writer::SegmentWriter;
pub(crate) use cache::metadata::MetadataCache;
pub(crate) use claims::{Claim, ClaimedLeaf, create_claim, list_claims, newest_claim};
pub(crate) use clock::StoreClock;
pub(crate) use definitions::{
    Definitions, Stored, check_newest_definition, create_definition, has_definition,
    move_to_format_2, probe_create, read_definitions,
};
pub(crate) use errors::{store_error, store_error_kind};
pub(crate) use layout::{
    compacted_name, intent_path, leaf_path, manifest_path, raw_path, raw_prefix, remains_name,
    segment_path, segments_prefix,
};
pub(crate) use list::foreign::{foreign_file, hash_now};
pub(crate) use list::listing::{Segments, list_leaves, list_raw, list_segments, live_days};
pub(crate) use list::raw_folder::{RawFolder, WrittenFile};
pub(crate) use list::raw_name::{ManifestTag, Writer};
pub(crate) use load_snapshot::{Serving, load, load_more};
pub(crate) use manifests::{
    create_manifest, create_tag, delete_file, leaf_ids, newest_manifest, read_base, read_manifest,
};
pub(crate) use object::request_counter::RequestCounter;
pub(crate) use root::Root;
pub(crate) use root_definitions::{RootDefinitions, no_dataset};
pub(crate) use voids::{Voiding, create_void, hints_of, is_absorbed, leaf_at};
pub(crate) use write::create::{Creation, create_bytes, create_file};
pub(crate) use write::staging::Staging;
pub(crate) use write::unfinished::Unfinished;
