//! Tallybook's Parquet files: footer metadata, checksums, reading and writing.

pub(super) mod block_hashes;
pub(super) mod check;
pub(super) mod checksum;
pub(super) mod file_writer;
pub(super) mod footer;
pub(super) mod footer_kinds;
pub(super) mod read_footer;
pub(super) mod segment_writer;
