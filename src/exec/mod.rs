//! Floor 3: DataFusion's runtime, set up in one place.

mod asked_root;
mod bounded;
mod checked;
mod deadline;
mod errors;
mod fitting;
mod in_order;
mod kept_scan;
mod leaf_table;
mod opaque;
mod push_down;
mod reader;
mod segment_cache;
mod segment_table;
mod session;
mod site;
mod tables;
mod user_file;
mod yielding_joins;
mod zoned;

pub(crate) use asked_root::set_asked_root;
pub(crate) use deadline::Deadline;
pub(crate) use errors::{engine_error, into_datafusion};
pub(crate) use in_order::in_order;
pub(crate) use leaf_table::LeafTable;
pub(crate) use opaque::{as_is, is_as_is, opaque};
pub(crate) use push_down::PushDown;
pub(crate) use reader::cached_metadata;
pub(crate) use segment_cache::SegmentCache;
pub(crate) use segment_table::SegmentTable;
pub(crate) use session::{ROOT_URL, new_session, register_functions};
pub(crate) use site::Site;
pub(crate) use tables::{DatasetTable, FileTable};
pub(crate) use user_file::register_file;
pub(crate) use zoned::zoned_view;
