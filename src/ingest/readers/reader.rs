//! What the readers of all formats have in common. An input is cut into blocks of whole records
//! while it is read. Several blocks are processed at once, each record by record.

use crate::{
    base::Result,
    ingest::rows::row_builder::{Fault, RowBuilder},
    sources::Json,
};

/// Maximum size of a record, in bytes. A file with a longer record is broken.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 20;

/// Cuts an input into blocks.
pub(crate) trait BlockReader {
    /// The next block; `None` at the end of the input.
    ///
    /// # Errors
    /// `Corrupt`, `Invalid` or `Unavailable` when the rest of the input can't be read, for
    /// example because the input is cut short. An error ends the whole input.
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>>;

    /// The names of all fields, if the input says them before its first record.
    fn header(&self) -> Option<Vec<String>> {
        None
    }

    /// The text that the rejects file needs before the first record, such as a CSV header.
    fn preamble(&self) -> &[u8] {
        &[]
    }
}

/// Reads the records of a block one by one into a row builder.
pub(crate) trait RowReader: Send {
    /// An upper bound on the number of records in the block.
    fn records_max(&self) -> usize;

    /// Fills the row builder's current row from the next record. `None` at the end of the block;
    /// a fault for a bad record.
    fn next(&mut self, builder: &mut RowBuilder<'_>) -> Option<Result<(), Fault>>;

    /// The next record as a tree, for a source. `None` at the end of the block; a fault for a bad
    /// record.
    fn record(&mut self) -> Option<Result<Json, Fault>>;

    /// Whether the last record of the block has no line end. Such a record may be the start of a
    /// longer one: `1` of `100`. Many tools write no last line end, but nothing else shows that a
    /// file was cut there.
    fn lacks_line_end(&self) -> bool {
        false
    }

    /// The number of the line or row of the input on which the record that was read last starts,
    /// from 1.
    fn line(&self) -> u64;

    /// The record that was read last, for the rejects file: as it came, or as JSON when the input
    /// is not text.
    ///
    /// # Errors
    /// `Internal` when the record can't be written as JSON.
    fn raw(&self) -> Result<Vec<u8>>;
}
