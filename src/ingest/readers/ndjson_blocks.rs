//! Cuts NDJSON into blocks at line ends.

use std::io::{BufRead, Read as _};

use crate::{
    base::{Error, Result},
    ingest::readers::{
        ndjson_rows::NdjsonRows,
        reader::{BlockReader, RECORD_BYTES_MAX, RowReader},
    },
};

/// Size of a block, in bytes, unless a line is longer. Blocks are large enough that handing them
/// over costs nothing, and small enough to stay in a core's cache.
const BLOCK_BYTES: usize = 512 << 10;

/// Cuts NDJSON into blocks.
pub(crate) struct NdjsonBlocks {
    name: String,
    reader: Box<dyn BufRead>,
    /// The number of the line that the next block starts on, from 1.
    line: u64,
    /// The start of a line whose end was not in the last block.
    rest: Vec<u8>,
}

impl NdjsonBlocks {
    pub(crate) const fn new(name: String, reader: Box<dyn BufRead>) -> Self {
        Self { name, reader, line: 1, rest: Vec::new() }
    }

    /// Appends `bytes` bytes of the input to `block`, or fewer at the end of the input.
    fn read(&mut self, bytes: usize, block: &mut Vec<u8>) -> Result<()> {
        let read = self.reader.by_ref().take(bytes as u64).read_to_end(block);
        read.map_err(|error| Error::io(&self.name, error).about("reading"))?;
        Ok(())
    }

    /// Skips the rest of a line that is too long to hold in memory. `false` when the input ends
    /// before the line does.
    fn skip_line(&mut self) -> Result<bool> {
        loop {
            let part = self.reader.fill_buf().map_err(|error| Error::io(&self.name, error))?;
            if part.is_empty() {
                return Ok(false);
            }
            let end = memchr::memchr(b'\n', part);
            let used = end.map_or(part.len(), |at| at + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

impl BlockReader for NdjsonBlocks {
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>> {
        let mut block = Vec::with_capacity(BLOCK_BYTES + self.rest.len());
        block.append(&mut self.rest);
        let mut wanted = BLOCK_BYTES.max(block.len());
        loop {
            let room = wanted - block.len();
            self.read(room, &mut block)?;
            if block.len() < wanted {
                break;
            }
            if let Some(end) = memchr::memrchr(b'\n', &block) {
                self.rest.extend_from_slice(block.get(end + 1..).unwrap_or_default());
                block.truncate(end + 1);
                break;
            }
            if block.len() > RECORD_BYTES_MAX {
                // One byte too many stays in the block, so that the row reader sees that the line
                // is too long.
                block.truncate(RECORD_BYTES_MAX + 1);
                if self.skip_line()? {
                    block.push(b'\n');
                }
                break;
            }
            wanted = (wanted * 2).min(RECORD_BYTES_MAX + 1);
        }
        if block.is_empty() {
            return Ok(None);
        }
        let (first, ends) = (self.line, memchr::memchr_iter(b'\n', &block).count());
        self.line += ends as u64;
        // The last line of the input may have no line end, so there may be one line more.
        Ok(Some(Box::new(NdjsonRows::new(block, first, ends + 1))))
    }
}
