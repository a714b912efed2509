//! Tables over the files of a snapshot, and over files of users.

pub(super) mod file_table;
pub(super) mod fitting;
pub(super) mod last_scan;
pub(super) mod leaf_table;
pub(super) mod reader;
pub(super) mod segment_cache;
pub(super) mod segment_table;
pub(super) mod user_file;
pub(super) mod zoned;
