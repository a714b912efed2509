//! What the readers of all formats have in common.

use super::draft::{Draft, Fault};
use crate::base::Result;

/// No record is longer; what is, is a broken file.
pub(super) const RECORD_BYTES_MAX: usize = 16 << 20;

/// Reads records one by one into a draft.
pub(super) trait RowReader {
    /// Fills the cleared draft from the next record: `None` at the end, a fault for a bad record.
    ///
    /// # Errors
    /// Only for what ends the whole input: it can't be read on, or is cut short.
    fn next(&mut self, draft: &mut Draft<'_>) -> Result<Option<Result<(), Fault>>>;

    /// The line, or row, that the last record started on, from 1.
    fn line(&self) -> u64;

    /// The last record as it came, for the rejects file.
    fn raw(&mut self) -> Result<Vec<u8>>;

    /// What the rejects file needs before the first record, such as a CSV header.
    fn preamble(&self) -> &[u8] {
        &[]
    }
}
