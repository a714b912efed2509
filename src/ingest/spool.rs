//! Rows sorted out by day, in memory up to a budget and beyond it in a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Cursor, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};

use crate::{
    base::{Day, Error, Result},
    store::Staging,
};

/// The rows of one append, by day, in the order they came.
pub(super) struct Spool<'s> {
    staging: &'s Staging,
    budget_bytes: usize,
    held_bytes: usize,
    days: BTreeMap<Day, Vec<Chunk>>,
    file: Option<(PathBuf, File, u64)>,
}

/// Rows of one day that came together.
pub(super) enum Chunk {
    Held(RecordBatch),
    Written { at: u64, bytes: usize },
}

impl<'s> Spool<'s> {
    pub(super) const fn new(staging: &'s Staging, budget_bytes: usize) -> Self {
        Self { staging, budget_bytes, held_bytes: 0, days: BTreeMap::new(), file: None }
    }

    /// Adds rows; `days` says each one's.
    pub(super) fn push(&mut self, batch: &RecordBatch, days: &[Day]) -> Result<()> {
        let mut rows: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
        for (row, day) in (0..).zip(days) {
            rows.entry(*day).or_default().push(row);
        }
        for (day, rows) in rows {
            let part = if rows.len() == batch.num_rows() {
                batch.clone()
            } else {
                take_record_batch(batch, &UInt32Array::from(rows))
                    .map_err(|error| Error::internal("rows of a day").with_source(error))?
            };
            self.held_bytes += part.get_array_memory_size();
            self.days.entry(day).or_default().push(Chunk::Held(part));
        }
        if self.held_bytes > self.budget_bytes {
            self.write_held()?;
        }
        Ok(())
    }

    /// The days, each with its chunks in order.
    pub(super) fn into_days(self) -> (impl Iterator<Item = (Day, Vec<Chunk>)>, SpoolReader) {
        let file = self.file.map(|(path, file, _)| (path, file));
        (self.days.into_iter(), SpoolReader { file })
    }

    fn write_held(&mut self) -> Result<()> {
        let (path, mut file, mut end) = if let Some(open) = self.file.take() {
            open
        } else {
            let (path, file) = self.staging.create("spool.arrow")?;
            (path, file, 0)
        };
        let fail = |error| Error::unavailable(format!("can't write {}: {error}", path.display()));
        for chunk in self.days.values_mut().flatten() {
            if let Chunk::Held(batch) = chunk {
                let bytes = encode(batch)?;
                file.write_all(&bytes).map_err(fail)?;
                *chunk = Chunk::Written { at: end, bytes: bytes.len() };
                end += bytes.len() as u64;
            }
        }
        self.held_bytes = 0;
        self.file = Some((path, file, end));
        Ok(())
    }
}

/// Reads chunks back.
pub(super) struct SpoolReader {
    file: Option<(PathBuf, File)>,
}

impl SpoolReader {
    pub(super) fn read(&self, chunk: Chunk) -> Result<RecordBatch> {
        let (at, bytes) = match chunk {
            Chunk::Held(batch) => return Ok(batch),
            Chunk::Written { at, bytes } => (at, bytes),
        };
        let (path, file) = self.file.as_ref().ok_or_else(|| Error::internal("no spool file"))?;
        let mut buffer = vec![0; bytes];
        file.read_exact_at(&mut buffer, at).map_err(|error| Error::io(path.display(), error))?;
        decode(buffer)
    }
}

fn encode(batch: &RecordBatch) -> Result<Vec<u8>> {
    let fail = |error| Error::internal("spooled rows").with_source(error);
    let mut writer = StreamWriter::try_new(Vec::new(), batch.schema_ref()).map_err(fail)?;
    writer.write(batch).map_err(fail)?;
    writer.finish().map_err(fail)?;
    writer.into_inner().map_err(fail)
}

fn decode(buffer: Vec<u8>) -> Result<RecordBatch> {
    let fail = |error| Error::internal("spooled rows").with_source(error);
    let mut reader = StreamReader::try_new(Cursor::new(buffer), None).map_err(fail)?;
    reader.next().ok_or_else(|| Error::internal("spooled rows are gone"))?.map_err(fail)
}
