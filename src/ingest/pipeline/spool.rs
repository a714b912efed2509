//! Holds the rows of each day until their part is complete: in memory up to a budget, and beyond
//! it in a file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Cursor, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::Arc,
};

use arrow::{
    array::{AsArray as _, RecordBatch},
    ipc::{reader::StreamReader, writer::StreamWriter},
};

use crate::{
    base::{Day, Error, Result},
    store::Staging,
};

/// How many rows a part has at most. The number is fixed by the format: a retry must cut where
/// the first attempt cut, or its leaves would not be the leaves of the claim.
const PART_ROWS: usize = 1 << 18;

/// A part takes no more rows once it has this many bytes of texts. The number is fixed by the
/// format, too. An array of texts has room for 2 GiB.
const PART_TEXT_BYTES: usize = 1 << 27;

/// The rows of one part of a day, in input order.
#[derive(Debug)]
pub(crate) struct PartRows {
    pub(crate) day: Day,
    /// The part's number within its day, from 0.
    pub(crate) part: u32,
    pub(crate) rows: Vec<RecordBatch>,
}

impl PartRows {
    /// The memory that the rows hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.iter().map(RecordBatch::get_array_memory_size).sum()
    }
}

/// The rows of one append that are in no part yet.
pub(crate) struct Spool {
    staging: Arc<Staging>,
    budget_bytes: usize,
    held_bytes: usize,
    days: BTreeMap<Day, DayRows>,
    file: Option<(PathBuf, File, u64)>,
}

#[derive(Default)]
struct DayRows {
    /// How many parts were taken.
    parts: u32,
    rows: usize,
    text_bytes: usize,
    chunks: Vec<Chunk>,
}

/// Rows of one day that came from one block.
enum Chunk {
    Held(RecordBatch),
    Written { at: u64, bytes: usize },
}

impl DayRows {
    const fn fill_a_part(&self) -> bool {
        self.rows >= PART_ROWS || self.text_bytes >= PART_TEXT_BYTES
    }
}

impl Spool {
    pub(crate) const fn new(staging: Arc<Staging>, budget_bytes: usize) -> Self {
        Self { staging, budget_bytes, held_bytes: 0, days: BTreeMap::new(), file: None }
    }

    /// Adds rows of a day.
    pub(crate) fn push(&mut self, day: Day, rows: RecordBatch) -> Result<()> {
        self.held_bytes += rows.get_array_memory_size();
        let of_day = self.days.entry(day).or_default();
        of_day.rows += rows.num_rows();
        of_day.text_bytes += text_bytes(&rows, rows.num_rows());
        of_day.chunks.push(Chunk::Held(rows));
        if self.held_bytes > self.budget_bytes {
            self.write_held()?;
        }
        Ok(())
    }

    /// Takes one part of the day, if there are enough rows for a full part.
    pub(crate) fn take_full(&mut self, day: Day) -> Result<Option<PartRows>> {
        let is_full = self.days.get(&day).is_some_and(DayRows::fill_a_part);
        if is_full { self.take(day).map(Some) } else { Ok(None) }
    }

    /// Takes the rest of the first day as one part; `None` when no rows are left. Full parts must
    /// have been taken before.
    pub(crate) fn take_rest(&mut self) -> Result<Option<PartRows>> {
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
        let (mut rows, mut count, mut text) = (Vec::new(), 0, 0);
        for chunk in &mut chunks {
            let chunk = match chunk {
                Chunk::Held(chunk) => {
                    self.held_bytes = self.held_bytes.saturating_sub(chunk.get_array_memory_size());
                    chunk
                }
                Chunk::Written { at, bytes } => read_back(self.file.as_ref(), at, bytes)?,
            };
            let taken = first_rows(&chunk, PART_ROWS - count, PART_TEXT_BYTES - text);
            count += taken;
            text += text_bytes(&chunk, taken);
            if taken < chunk.num_rows() {
                let later = chunk.slice(taken, chunk.num_rows() - taken);
                self.held_bytes += later.get_array_memory_size();
                of_day.chunks.push(Chunk::Held(later));
            }
            rows.push(chunk.slice(0, taken));
            if count == PART_ROWS || text >= PART_TEXT_BYTES {
                break;
            }
        }
        of_day.chunks.extend(chunks);
        of_day.rows -= count;
        of_day.text_bytes -= text;
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

/// How many of the first rows go into a part with room for `rows_max` rows. The part takes rows
/// as long as it has fewer than `text_max` bytes of texts.
fn first_rows(rows: &RecordBatch, rows_max: usize, text_max: usize) -> usize {
    let (mut few, mut many) = (0, rows.num_rows().min(rows_max));
    while few < many {
        let middle = usize::midpoint(few, many);
        if text_bytes(rows, middle) < text_max {
            few = middle + 1;
        } else {
            many = middle;
        }
    }
    few
}

/// The size of all texts of the first `count` rows, in bytes.
fn text_bytes(rows: &RecordBatch, count: usize) -> usize {
    let texts = rows.columns().iter().filter_map(|column| column.as_string_opt::<i32>());
    texts.map(|texts| bytes_between(texts.value_offsets(), count)).sum()
}

fn bytes_between(offsets: &[i32], count: usize) -> usize {
    let end = offsets.get(count).zip(offsets.first()).map_or(0, |(end, start)| end - start);
    usize::try_from(end).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, StringArray};

    use super::*;

    #[test]
    fn rows_are_taken_until_their_texts_are_enough() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["four", "", "sixsix", "x"]));
        let more: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), None, None, Some("1")]));
        let rows = RecordBatch::try_from_iter([("a", texts), ("b", more)]).unwrap();
        for (rows_max, text_max, taken) in
            [(9, 99, 4), (2, 99, 2), (9, 1, 1), (9, 5, 1), (9, 6, 3), (9, 11, 3), (9, 12, 4)]
        {
            assert_eq!(first_rows(&rows, rows_max, text_max), taken, "{rows_max} {text_max}");
            let later = rows.slice(1, 3);
            let of_later = first_rows(&later, rows_max, text_max.saturating_sub(5).max(1));
            assert!(of_later >= 1, "{rows_max} {text_max}");
        }
        assert_eq!(text_bytes(&rows.slice(2, 2), 2), 8);
    }
}
