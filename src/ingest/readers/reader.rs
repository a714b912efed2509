//! What the readers of all formats have in common: an input is cut into blocks of whole records
//! where it is read, and the blocks are read record by record, several at once.

use crate::{
    base::Result,
    ingest::rows::row_builder::{Fault, RowBuilder},
};

/// No record is longer; what is, is a broken file.
pub(crate) const RECORD_BYTES_MAX: usize = 16 << 20;

/// Cuts an input into blocks.
pub(crate) trait BlockReader {
    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// For what ends the whole input: it can't be read on, or is cut short.
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>>;

    /// What the rejects file needs before the first record, such as a CSV header.
    fn preamble(&self) -> &[u8] {
        &[]
    }
}

/// Reads the records of a block one by one into a builder.
pub(crate) trait RowReader: Send {
    /// No fewer records than there are.
    fn records_max(&self) -> usize;

    /// Fills the builder's row from the next record: `None` at the end, a fault for a bad record.
    fn next(&mut self, builder: &mut RowBuilder<'_>) -> Option<Result<(), Fault>>;

    /// Whether the last record of the block has no line end, so that it may be the start of a
    /// longer one: `1` of `100`. Many tools write none; nothing else tells a file that was cut
    /// there.
    fn lacks_line_end(&self) -> bool {
        false
    }

    /// The line, or row, of the input that the last record started on, from 1.
    fn line(&self) -> u64;

    /// The last record as it came, for the rejects file.
    ///
    /// # Errors
    /// `Internal` when it can't be written down.
    fn raw(&self) -> Result<Vec<u8>>;
}
