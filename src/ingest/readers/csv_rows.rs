//! Reads CSV with a header. An empty field is NULL, because CSV has no other way to write NULL.

use std::{
    cell::RefCell,
    io::{self, BufRead, Read},
    rc::Rc,
    sync::Arc,
};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use crate::{
    base::{Error, Result},
    ingest::{
        readers::reader::{BlockReader, RECORD_BYTES_MAX, RowReader},
        rows::{
            field_map::{FieldMap, Target},
            row_builder::{Fault, RowBuilder},
            scalar::Scalar,
        },
    },
    model::Dataset,
};

/// Approximate size of a block, in bytes. Only the CSV reader knows where records end.
const BLOCK_BYTES: u64 = 512 << 10;

/// How many bytes may be read since the last block: more than one block and the longest record
/// take.
const BYTES_READ_AHEAD_MAX: usize = RECORD_BYTES_MAX + (1 << 20);

/// Why a header without a line end is refused: it may be the start of a longer header, and no
/// rows follow it anyway.
const NO_LINE_END: &str = "is not ended by a line end: the file seems to be cut; if it is whole, add a newline to its end";

const OPEN_QUOTE: &str = "has a quote that is not closed: the file seems to be cut";

/// Cuts CSV into blocks of records.
pub(crate) struct CsvBlocks {
    name: String,
    reader: Reader<Recorded>,
    tape: Rc<RefCell<Tape>>,
    /// For each field of the header, the columns that the field fills.
    targets: Arc<[Vec<Target>]>,
    header: Vec<u8>,
}

impl CsvBlocks {
    pub(crate) fn try_new(
        name: String,
        reader: Box<dyn BufRead>,
        dataset: &Dataset,
        map: &FieldMap,
    ) -> Result<Self> {
        let tape = Rc::new(RefCell::new(Tape::default()));
        let recorded = Recorded { reader, tape: Rc::clone(&tape) };
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(recorded);
        let header = reader.byte_headers().map_err(|error| csv_error(&name, error))?.clone();
        if tape.borrow().ended && !header.is_empty() {
            return Err(Error::invalid(format!("{name}:1: the header {NO_LINE_END}")));
        }
        let targets: Vec<Vec<Target>> = header
            .iter()
            .map(|field| String::from_utf8_lossy(field).trim().to_owned())
            .map(|field| {
                let whole = map.targets(&field).iter();
                whole.filter(|target| target.path.is_empty()).cloned().collect()
            })
            .collect();
        if !header.is_empty() {
            check_required(&name, dataset, map, &targets)?;
        }
        let end = reader.position().byte();
        let header = tape.borrow_mut().take(end).trim_ascii().to_vec();
        Ok(Self { name, reader, tape, targets: targets.into(), header })
    }
}

impl BlockReader for CsvBlocks {
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>> {
        let start = self.reader.position().byte();
        let (mut records, mut is_cut) = (Vec::new(), false);
        while self.reader.position().byte() - start < BLOCK_BYTES {
            let mut record = ByteRecord::new();
            let more = self.reader.read_byte_record(&mut record);
            if !more.map_err(|error| csv_error(&self.name, error))? {
                break;
            }
            records.push(record);
            // A record with a line end is returned before the end of the input is reached.
            is_cut = self.tape.borrow().ended;
        }
        if records.is_empty() {
            return Ok(None);
        }
        let text = self.tape.borrow_mut().take(self.reader.position().byte());
        let targets = Arc::clone(&self.targets);
        Ok(Some(Box::new(CsvRows { records, targets, text, start, read: 0, is_cut })))
    }

    fn preamble(&self) -> &[u8] {
        &self.header
    }
}

/// A block of records of a CSV file.
struct CsvRows {
    records: Vec<ByteRecord>,
    targets: Arc<[Vec<Target>]>,
    /// The bytes of the records, as they are in the input.
    text: Vec<u8>,
    /// The offset of `text` in the decompressed input, in bytes.
    start: u64,
    read: usize,
    /// Whether the end of the input, and not a line end, ended the last record.
    is_cut: bool,
}

impl CsvRows {
    fn position(&self, record: usize) -> Option<&csv::Position> {
        self.records.get(record).and_then(ByteRecord::position)
    }

    /// Whether the record that was read last ends inside quotes.
    fn is_quote_open(&self) -> bool {
        is_quote_open(self.text.get(self.offset(self.read.saturating_sub(1))..).unwrap_or_default())
    }

    /// The offset in `text` where a record starts.
    fn offset(&self, record: usize) -> usize {
        let offset =
            self.position(record).map(|position| position.byte().saturating_sub(self.start));
        offset.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(self.text.len())
    }
}

impl RowReader for CsvRows {
    fn records_max(&self) -> usize {
        self.records.len()
    }

    fn next(&mut self, builder: &mut RowBuilder<'_>) -> Option<Result<(), Fault>> {
        let record = self.records.get(self.read)?;
        self.read += 1;
        if self.is_cut && self.read == self.records.len() && self.is_quote_open() {
            return Some(Err(Fault::row(OPEN_QUOTE)));
        }
        Some(read_record(record, &self.targets, builder))
    }

    fn lacks_line_end(&self) -> bool {
        self.is_cut
    }

    fn line(&self) -> u64 {
        let record = self.read.saturating_sub(1);
        let text = self.text.get(self.offset(record)..).unwrap_or_default();
        // The text of a record includes the blank lines before it.
        let blank = text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let blank = blank.filter(|byte| **byte == b'\n').count() as u64;
        self.position(record).map_or(1, csv::Position::line) + blank
    }

    fn raw(&self) -> Result<Vec<u8>> {
        let (start, end) = (self.offset(self.read.saturating_sub(1)), self.offset(self.read));
        Ok(self.text.get(start..end).unwrap_or_default().trim_ascii().to_vec())
    }
}

/// Whether a record's text ends inside quotes, so that any text behind it would belong to the
/// record.
fn is_quote_open(text: &[u8]) -> bool {
    let behind = text.chain(b"\nx\n".as_slice());
    let mut records = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(behind)
        .into_byte_records();
    records.nth(1).is_none()
}

fn read_record(
    record: &ByteRecord,
    targets: &[Vec<Target>],
    builder: &mut RowBuilder<'_>,
) -> Result<(), Fault> {
    let (fields, wanted) = (record.len(), targets.len());
    if fields != wanted {
        return Err(Fault::row(format!("has {fields} fields where the header has {wanted}")));
    }
    for (field, targets) in record.iter().zip(targets) {
        for target in targets {
            let scalar = match std::str::from_utf8(field) {
                Ok("") => Scalar::Null,
                Ok(text) => Scalar::Text(text),
                Err(_) => return Err(Fault::row("is not UTF-8")),
            };
            builder.set(target.column, &scalar)?;
        }
    }
    Ok(())
}

fn check_required(
    name: &str,
    dataset: &Dataset,
    map: &FieldMap,
    targets: &[Vec<Target>],
) -> Result<()> {
    for (at, column) in dataset.columns().iter().enumerate() {
        let given = targets.iter().flatten().any(|target| target.column == at)
            || map.constants().iter().any(|(constant, _)| *constant == at);
        if column.required && !given {
            return Err(Error::invalid(format!(
                "{name}:1: the header has no field for `{}`; name it with --map",
                column.name
            )));
        }
    }
    Ok(())
}

fn csv_error(name: &str, error: csv::Error) -> Error {
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Error::invalid(format!("{name}: {error}"))
        }
        ErrorKind::Io(error) => Error::io(name, error),
        other => Error::invalid(format!("{name}: {other:?}")),
    }
}

/// The bytes read since the last block, so that a bad record can be written to the rejects file
/// as it came.
#[derive(Default)]
struct Tape {
    start: u64,
    bytes: Vec<u8>,
    /// Whether the end of the input was reached.
    ended: bool,
}

impl Tape {
    /// Removes and returns the bytes before the offset `end` of the input.
    fn take(&mut self, end: u64) -> Vec<u8> {
        let count = usize::try_from(end.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        self.start = end;
        std::mem::replace(&mut self.bytes, rest)
    }
}

struct Recorded {
    reader: Box<dyn BufRead>,
    tape: Rc<RefCell<Tape>>,
}

impl Read for Recorded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let mut tape = self.tape.borrow_mut();
        tape.ended |= count == 0 && !buffer.is_empty();
        tape.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        // The limit has room for one block of whole records and one record of maximum size.
        if tape.bytes.len() > BYTES_READ_AHEAD_MAX {
            let limit = RECORD_BYTES_MAX >> 20;
            let reason = format!("a record is longer than {limit} MiB; is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        Ok(count)
    }
}
