//! Layer 3: DataFusion's runtime, set up in one place.

mod alarm;
mod bounded_functions;
mod errors;
mod events;
mod messages;
mod query_root;
mod rules;
mod session;
mod tables;

pub(crate) use alarm::Alarm;
pub(crate) use events::{CountedRows, EventKeys, read_keys, read_remaining};
pub(crate) use query_root::set_query_root;
pub(crate) use rules::single_distinct::SingleDistinct;
pub(crate) use session::{LogicalRule, ROOT_URL, new_session, register_functions};
pub(crate) use tables::file_table::FileTable;
pub(crate) use tables::leaf_table::LeafTable;
pub(crate) use tables::reader::cached_metadata;
pub(crate) use tables::segment_cache::SegmentCache;
pub(crate) use tables::segment_table::SegmentTable;
pub(crate) use tables::user_file::register_file;
pub(crate) use tables::zoned::zoned_view;
