//! Bad rows: counted, described and kept.

use std::{
    fs::{self, Metadata},
    path::Path,
};

use crate::{
    base::{Error, Result},
    ingest::{
        pipeline::rejects_file::{RejectsFile, RejectsPath},
        rows::row_builder::Fault,
    },
};

/// Descriptions kept for messages; every bad row is counted and written to the file.
const DESCRIBED_MAX: usize = 20;

/// A row that was found bad.
#[derive(Debug)]
pub(crate) struct BadRow {
    /// Where it starts, in lines or rows of its input from 1.
    pub(crate) line: u64,
    /// What is wrong with it.
    pub(crate) fault: Fault,
    /// The row as it came, if such rows are kept.
    pub(crate) raw: Option<Vec<u8>>,
}

/// What becomes of bad rows.
#[derive(Debug, Default)]
pub struct Rejects {
    max: u64,
    count: u64,
    described: Vec<String>,
    path: Option<RejectsPath>,
    file: Option<RejectsFile>,
    preamble: Vec<u8>,
}

impl Rejects {
    /// Up to `max` bad rows are accepted; all are written to `file`, as they came. What it held
    /// before is replaced when the whole input was read, and by nothing if there were no bad rows.
    ///
    /// # Errors
    /// `NotFound` when the file's folder isn't there; `Invalid` when it is a folder itself.
    pub fn new(max: u64, file: Option<&Path>) -> Result<Self> {
        let path = file.map(RejectsPath::try_new).transpose()?;
        Ok(Self { max, path, ..Self::default() })
    }

    /// Fails if bad rows would be written over the file at `path`, which is `what` in the message.
    ///
    /// # Errors
    /// `Invalid` if they would.
    pub(crate) fn spare_file(&self, path: &Path, what: &str) -> Result<()> {
        fs::metadata(path).map_or(Ok(()), |file| self.spare(&file, what))
    }

    /// Fails if bad rows would be written below that folder, the root's.
    ///
    /// # Errors
    /// `Invalid` if they would.
    pub(crate) fn spare_folder(&self, root: &Path) -> Result<()> {
        self.path.as_ref().map_or(Ok(()), |path| path.refuse_below(root))
    }

    /// The same for a file that is known by its metadata.
    ///
    /// # Errors
    /// `Invalid` if they would.
    pub(crate) fn spare(&self, file: &Metadata, what: &str) -> Result<()> {
        self.path.as_ref().map_or(Ok(()), |path| path.refuse_to_be(file, what))
    }

    /// Opens the file that bad rows go to, if there is one.
    ///
    /// # Errors
    /// `Unavailable` when it can't be made.
    pub(crate) fn open(&mut self) -> Result<()> {
        self.file = self.path.as_ref().map(RejectsPath::open).transpose()?;
        Ok(())
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
    pub(crate) const fn keeps_rows(&self) -> bool {
        self.path.is_some()
    }

    /// Adds a bad row of the input of that name; `preamble` is what goes before its rows.
    pub(crate) fn add(&mut self, name: &str, preamble: &[u8], row: &BadRow) -> Result<()> {
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
        self.file.as_mut().map_or(Ok(()), |file| file.write(line))
    }

    /// Ends the file, and fails when there were too many: then, too, the bad rows are in it.
    ///
    /// # Errors
    /// `Invalid` for too many; `Unavailable` when the file can't be written.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.file.take().map_or(Ok(()), RejectsFile::finish)?;
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
