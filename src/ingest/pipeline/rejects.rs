//! Counts bad rows, describes them, and writes them to a file.

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

/// How many different reasons are described in messages. Every bad row is counted and written to
/// the file.
const DESCRIBED_MAX: usize = 20;

/// Bad rows with the same reason.
#[derive(Debug)]
struct Described {
    /// Where the first one is: `file:line`.
    first: String,
    /// `field: reason`.
    reason: String,
    rows: u64,
}

/// A bad row.
#[derive(Debug)]
pub(crate) struct BadRow {
    /// The number of the line or row of the input where the bad row starts, from 1.
    pub(crate) line: u64,
    /// What is wrong with the row.
    pub(crate) fault: Fault,
    /// The row in the form for the rejects file, if there is such a file.
    pub(crate) raw: Option<Vec<u8>>,
}

/// How bad rows are handled: how many are accepted, and which file they are written to.
#[derive(Debug, Default)]
pub struct Rejects {
    max: u64,
    count: u64,
    described: Vec<Described>,
    path: Option<RejectsPath>,
    file: Option<RejectsFile>,
    preamble: Vec<u8>,
}

impl Rejects {
    /// Accepts up to `max` bad rows and writes all bad rows to `file`, as they came. The file's
    /// previous content is replaced once the whole input has been read. Without bad rows the file
    /// is then empty.
    ///
    /// # Errors
    /// `NotFound` when the file's folder does not exist; `Invalid` when `file` is a folder.
    pub fn new(max: u64, file: Option<&Path>) -> Result<Self> {
        let path = file.map(RejectsPath::try_new).transpose()?;
        Ok(Self { max, path, ..Self::default() })
    }

    /// Fails if bad rows would overwrite the file at `path`. The message calls that file `what`.
    ///
    /// # Errors
    /// `Invalid` when bad rows would overwrite the file.
    pub fn spare_file(&self, path: &Path, what: &str) -> Result<()> {
        fs::metadata(path).map_or(Ok(()), |file| self.spare(&file, what))
    }

    /// Fails if bad rows would be written below `root`, the root's folder.
    ///
    /// # Errors
    /// `Invalid` when bad rows would be written there.
    pub(crate) fn spare_folder(&self, root: &Path) -> Result<()> {
        self.path.as_ref().map_or(Ok(()), |path| path.refuse_below(root))
    }

    /// Like [`Self::spare_file`], for a file that is known by its metadata.
    ///
    /// # Errors
    /// `Invalid` when bad rows would overwrite the file.
    pub(crate) fn spare(&self, file: &Metadata, what: &str) -> Result<()> {
        self.path.as_ref().map_or(Ok(()), |path| path.refuse_to_be(file, what))
    }

    /// Opens the rejects file, if there is one.
    ///
    /// # Errors
    /// `Unavailable` when the file can't be created.
    pub(crate) fn open(&mut self) -> Result<()> {
        self.file = self.path.as_ref().map(RejectsPath::open).transpose()?;
        Ok(())
    }

    /// Number of bad rows so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The first reasons why rows are bad, each with its first row: `file:line: field: reason`.
    #[must_use]
    pub fn described(&self) -> Vec<String> {
        let described = self.described.iter().map(|Described { first, reason, rows }| match rows {
            1 => format!("{first}: {reason}"),
            2 => format!("{first}: {reason} (and 1 more row)"),
            rows => format!("{first}: {reason} (and {} more rows)", rows - 1),
        });
        described.collect()
    }

    /// Whether bad rows are written to a file.
    pub(crate) const fn keeps_rows(&self) -> bool {
        self.path.is_some()
    }

    /// Adds a bad row of the input `name`. `preamble` is written before the input's bad rows,
    /// unless the preamble that was written last is equal.
    pub(crate) fn add(&mut self, name: &str, preamble: &[u8], row: &BadRow) -> Result<()> {
        self.count += 1;
        let BadRow { line, fault: Fault { field, reason, .. }, .. } = row;
        let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
        let reason = format!("{field}{reason}");
        if let Some(known) = self.described.iter_mut().find(|known| known.reason == reason) {
            known.rows += 1;
        } else if self.described.len() < DESCRIBED_MAX {
            self.described.push(Described { first: format!("{name}:{line}"), reason, rows: 1 });
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

    /// Finishes the rejects file, and then fails if there were too many bad rows. The file holds
    /// the bad rows in either case.
    ///
    /// # Errors
    /// `Invalid` when there were too many bad rows; `Unavailable` when the file can't be written.
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
        for line in self.described() {
            message = format!("{message}\n  {line}");
        }
        let more = self.count - self.described.iter().map(|known| known.rows).sum::<u64>();
        if more > 0 {
            message = format!("{message}\n  and {more} more");
        }
        Err(Error::invalid(message))
    }
}
