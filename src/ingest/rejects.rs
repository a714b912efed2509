//! Bad rows: counted, described and kept.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use super::draft::Fault;
use crate::base::{Error, Result};

/// Descriptions kept for messages; every bad row is counted and written to the file.
const DESCRIBED_MAX: usize = 20;

/// A row that was found bad.
#[derive(Debug)]
pub(super) struct BadRow {
    /// Where it starts, in lines or rows of its input from 1.
    pub(super) line: u64,
    /// What is wrong with it.
    pub(super) fault: Fault,
    /// The row as it came, if such rows are kept.
    pub(super) raw: Option<Vec<u8>>,
}

/// What becomes of bad rows.
#[derive(Debug, Default)]
pub struct Rejects {
    max: u64,
    count: u64,
    described: Vec<String>,
    file: Option<(PathBuf, BufWriter<File>)>,
    preamble: Vec<u8>,
}

impl Rejects {
    /// Up to `max` bad rows are accepted; all are written to `file`, as they came.
    ///
    /// # Errors
    /// `Unavailable` when the file can't be made.
    pub fn new(max: u64, file: Option<&Path>) -> Result<Self> {
        let file = match file {
            None => None,
            Some(path) => {
                let made = File::create(path).map_err(|error| Error::io(path.display(), error))?;
                Some((path.to_owned(), BufWriter::new(made)))
            }
        };
        Ok(Self { max, file, ..Self::default() })
    }

    /// Bad rows so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The first of them: `file:line: field: reason`.
    #[must_use]
    pub fn described(&self) -> &[String] {
        &self.described
    }

    /// Whether bad rows are kept as they came.
    pub(super) const fn keeps_rows(&self) -> bool {
        self.file.is_some()
    }

    /// Adds a bad row of the input of that name; `preamble` is what goes before its rows.
    pub(super) fn add(&mut self, name: &str, preamble: &[u8], row: &BadRow) -> Result<()> {
        self.count += 1;
        if self.described.len() < DESCRIBED_MAX {
            let BadRow { line, fault: Fault { field, reason }, .. } = row;
            let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
            self.described.push(format!("{name}:{line}: {field}{reason}"));
        }
        if let Some(raw) = &row.raw {
            if preamble != self.preamble.as_slice() {
                self.preamble = preamble.to_vec();
                self.write(preamble)?;
            }
            self.write(raw)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
        written.map_err(|error| Error::io(path.display(), error))
    }

    /// Ends the file, and fails when there were too many.
    pub(super) fn settle(&mut self) -> Result<()> {
        if let Some((path, file)) = &mut self.file {
            file.flush().map_err(|error| Error::io(path.display(), error))?;
        }
        if self.count <= self.max {
            return Ok(());
        }
        let rows = if self.count == 1 { "row is" } else { "rows are" };
        let mut message = format!("{} {rows} bad, so nothing was appended", self.count);
        if self.max > 0 {
            message = format!("{message} (--max-rejects {})", self.max);
        }
        for line in &self.described {
            message = format!("{message}\n  {line}");
        }
        let more = self.count.saturating_sub(self.described.len() as u64);
        if more > 0 {
            message = format!("{message}\n  and {more} more");
        }
        Err(Error::invalid(message))
    }
}
