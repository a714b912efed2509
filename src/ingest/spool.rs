//! Rows waiting for the rest of their part, by day: in memory up to a budget, beyond it in a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Cursor, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};

use crate::{
    base::{Day, Error, Result},
    store::Staging,
};

/// Rows of a part. Part of the format: a retry must cut where the first attempt cut, or its leaves
/// would hold other rows under the same ids.
const PART_ROWS: usize = 1 << 18;

/// The rows of one part of a day, in the order they came.
#[derive(Debug)]
pub(super) struct PartRows {
    pub(super) day: Day,
    /// The place among the day's parts, from 0.
    pub(super) part: u32,
    pub(super) rows: Vec<RecordBatch>,
}

impl PartRows {
    /// The memory that they hold.
    pub(super) fn bytes(&self) -> usize {
        self.rows.iter().map(RecordBatch::get_array_memory_size).sum()
    }
}

/// The rows of one append that are in no part yet.
pub(super) struct Spool {
    staging: Arc<Staging>,
    budget_bytes: usize,
    held_bytes: usize,
    days: BTreeMap<Day, DayRows>,
    file: Option<(PathBuf, File, u64)>,
}

#[derive(Default)]
struct DayRows {
    /// The parts that were taken.
    parts: u32,
    rows: usize,
    chunks: Vec<Chunk>,
}

/// Rows of one day that came together.
enum Chunk {
    Held(RecordBatch),
    Written { at: u64, bytes: usize },
}

impl Spool {
    pub(super) const fn new(staging: Arc<Staging>, budget_bytes: usize) -> Self {
        Self { staging, budget_bytes, held_bytes: 0, days: BTreeMap::new(), file: None }
    }

    /// Adds rows of a day.
    pub(super) fn push(&mut self, day: Day, rows: RecordBatch) -> Result<()> {
        self.held_bytes += rows.get_array_memory_size();
        let of_day = self.days.entry(day).or_default();
        of_day.rows += rows.num_rows();
        of_day.chunks.push(Chunk::Held(rows));
        if self.held_bytes > self.budget_bytes {
            self.write_held()?;
        }
        Ok(())
    }

    /// Takes a part of the day, if there are rows enough.
    pub(super) fn take_full(&mut self, day: Day) -> Result<Option<PartRows>> {
        if self.days.get(&day).is_none_or(|of_day| of_day.rows < PART_ROWS) {
            return Ok(None);
        }
        self.take(day).map(Some)
    }

    /// Takes the first day's rows; `None` when all are taken. Full parts were taken before.
    pub(super) fn take_rest(&mut self) -> Result<Option<PartRows>> {
        while let Some(day) = self.days.first_entry() {
            if day.get().rows > 0 {
                let day = *day.key();
                return self.take(day).map(Some);
            }
            day.remove();
        }
        Ok(None)
    }

    fn take(&mut self, day: Day) -> Result<PartRows> {
        let of_day = self.days.entry(day).or_default();
        let part = of_day.parts;
        let mut chunks = std::mem::take(&mut of_day.chunks).into_iter();
        let (mut rows, mut count) = (Vec::new(), 0);
        for chunk in &mut chunks {
            let chunk = match chunk {
                Chunk::Held(chunk) => {
                    self.held_bytes = self.held_bytes.saturating_sub(chunk.get_array_memory_size());
                    chunk
                }
                Chunk::Written { at, bytes } => read_back(self.file.as_ref(), at, bytes)?,
            };
            let room = PART_ROWS - count;
            if chunk.num_rows() > room {
                let later = chunk.slice(room, chunk.num_rows() - room);
                self.held_bytes += later.get_array_memory_size();
                of_day.chunks.push(Chunk::Held(later));
                rows.push(chunk.slice(0, room));
                count = PART_ROWS;
            } else {
                count += chunk.num_rows();
                rows.push(chunk);
            }
            if count == PART_ROWS {
                break;
            }
        }
        of_day.chunks.extend(chunks);
        of_day.rows -= count;
        of_day.parts += 1;
        Ok(PartRows { day, part, rows })
    }

    fn write_held(&mut self) -> Result<()> {
        let (path, mut file, mut end) = if let Some(open) = self.file.take() {
            open
        } else {
            let (path, file) = self.staging.create("spool.arrow")?;
            (path, file, 0)
        };
        let fail = |error| Error::unavailable(format!("can't write {}: {error}", path.display()));
        for chunk in self.days.values_mut().flat_map(|of_day| &mut of_day.chunks) {
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

fn read_back(file: Option<&(PathBuf, File, u64)>, at: u64, bytes: usize) -> Result<RecordBatch> {
    let (path, file, _) = file.ok_or_else(|| Error::internal("no spool file"))?;
    let mut buffer = vec![0; bytes];
    file.read_exact_at(&mut buffer, at).map_err(|error| Error::io(path.display(), error))?;
    decode(buffer)
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
