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
        readers::{
            reader::{BlockReader, RECORD_BYTES_MAX, RowReader},
            text::header_name,
        },
        rows::{
            field_map::FieldMap,
            row_builder::{Fault, RowBuilder},
        },
    },
    sources::{Json, Scalar},
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
    delimiter: u8,
    fields: Arc<[HeaderField]>,
    header: Vec<u8>,
}

/// A field of the header.
struct HeaderField {
    name: String,
    /// The columns that the field fills.
    columns: Vec<usize>,
}

impl CsvBlocks {
    /// Reads the header. `delimiter` stands between two fields.
    pub(crate) fn try_new(
        name: String,
        reader: Box<dyn BufRead>,
        delimiter: u8,
        map: &FieldMap,
    ) -> Result<Self> {
        let tape = Rc::new(RefCell::new(Tape::default()));
        let recorded = Recorded { reader, tape: Rc::clone(&tape) };
        let mut reader =
            ReaderBuilder::new().flexible(true).delimiter(delimiter).from_reader(recorded);
        let header = reader.byte_headers().map_err(|error| csv_error(&name, error))?.clone();
        if tape.borrow().ended && !header.is_empty() {
            return Err(Error::invalid(format!("{name}:1: the header {NO_LINE_END}")));
        }
        let fields = header.iter().map(|field| {
            let name = map.spelt(&header_name(field));
            let columns = map.targets_of_header(&name).to_vec();
            HeaderField { name, columns }
        });
        let fields = fields.collect();
        let end = reader.position().byte();
        let header = tape.borrow_mut().take(end).trim_ascii().to_vec();
        Ok(Self { name, reader, tape, delimiter, fields, header })
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
        let (fields, delimiter) = (Arc::clone(&self.fields), self.delimiter);
        Ok(Some(Box::new(CsvRows { records, fields, delimiter, text, start, read: 0, is_cut })))
    }

    fn header(&self) -> Option<Vec<String>> {
        // An empty file has no header, and no rows that would miss one.
        let names = self.fields.iter().map(|field| field.name.clone());
        (!self.fields.is_empty()).then(|| names.collect())
    }

    fn preamble(&self) -> &[u8] {
        &self.header
    }
}

/// A block of records of a CSV file.
struct CsvRows {
    records: Vec<ByteRecord>,
    fields: Arc<[HeaderField]>,
    delimiter: u8,
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

    /// The fields of the next record, each with its text.
    fn next_fields(&mut self) -> Option<Result<Vec<(&HeaderField, &str)>, Fault>> {
        let at = self.read;
        let (fields, wanted) = (self.records.get(at)?.len(), self.fields.len());
        self.read += 1;
        if self.is_cut && self.read == self.records.len() && self.is_quote_open() {
            return Some(Err(Fault::row(OPEN_QUOTE)));
        }
        if fields != wanted {
            let reason = format!("has {fields} fields where the header has {wanted}");
            return Some(Err(Fault::row(reason)));
        }
        let texts = self.records.get(at)?.iter().map(std::str::from_utf8);
        let fields = self.fields.iter().zip(texts);
        let fields = fields.map(|(field, text)| Ok((field, text?))).collect::<Result<_, _>>();
        Some(fields.map_err(|_: std::str::Utf8Error| Fault::row("is not UTF-8")))
    }

    /// Whether the record that was read last ends inside quotes.
    fn is_quote_open(&self) -> bool {
        let record = self.text.get(self.offset(self.read.saturating_sub(1))..);
        is_quote_open(record.unwrap_or_default(), self.delimiter)
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
        Some(self.next_fields()?.and_then(|fields| {
            for (field, text) in fields {
                let scalar = if text.is_empty() { Scalar::Null } else { Scalar::Text(text) };
                for column in &field.columns {
                    builder.set(*column, &scalar)?;
                }
            }
            Ok(())
        }))
    }

    fn record(&mut self) -> Option<Result<Json, Fault>> {
        Some(self.next_fields()?.map(|fields| {
            let fields = fields.into_iter().map(|(field, text)| (field.name.as_str(), text));
            Json::of_fields(fields)
        }))
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
fn is_quote_open(text: &[u8], delimiter: u8) -> bool {
    let behind = text.chain(b"\nx\n".as_slice());
    let mut records = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(behind)
        .into_byte_records();
    records.nth(1).is_none()
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
