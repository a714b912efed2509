//! CSV with a header. An empty field is NULL: CSV has no other way to say it.

use std::{
    cell::RefCell,
    io::{self, BufRead, Read},
    rc::Rc,
};

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{
    draft::{Draft, Fault},
    field_map::{FieldMap, Target},
    reader::{RECORD_BYTES_MAX, RowReader},
    scalar::Scalar,
};
use crate::{
    base::{Error, Result},
    model::Dataset,
};

/// Reads CSV.
pub(super) struct CsvRows {
    name: String,
    reader: Reader<Recorded>,
    tape: Rc<RefCell<Tape>>,
    /// By field, the columns it fills.
    targets: Vec<Vec<Target>>,
    record: ByteRecord,
    /// Where the last record starts and ends, in bytes.
    extent: (u64, u64),
    line: u64,
    header: Vec<u8>,
}

impl CsvRows {
    pub(super) fn try_new(
        name: String,
        reader: Box<dyn BufRead>,
        dataset: &Dataset,
        map: &FieldMap,
    ) -> Result<Self> {
        let tape = Rc::new(RefCell::new(Tape::default()));
        let recorded = Recorded { reader, tape: Rc::clone(&tape) };
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(recorded);
        let header = reader.byte_headers().map_err(|error| csv_error(&name, error))?.clone();
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
        let header = tape.borrow_mut().cut(0, end);
        let extent = (end, end);
        Ok(Self { name, reader, tape, targets, record: ByteRecord::new(), extent, line: 1, header })
    }
}

impl RowReader for CsvRows {
    fn next(&mut self, draft: &mut Draft<'_>) -> Result<Option<Result<(), Fault>>> {
        self.tape.borrow_mut().forget(self.extent.1);
        let more = self.reader.read_byte_record(&mut self.record);
        if !more.map_err(|error| csv_error(&self.name, error))? {
            return Ok(None);
        }
        let start = self.record.position();
        self.line = start.map_or(self.line, csv::Position::line);
        let start = start.map_or(self.extent.1, csv::Position::byte);
        self.extent = (start, self.reader.position().byte());
        if self.record.len() != self.targets.len() {
            return Ok(Some(Err(Fault::row(format!(
                "has {} fields where the header has {}",
                self.record.len(),
                self.targets.len()
            )))));
        }
        for (field, targets) in self.record.iter().zip(&self.targets) {
            for target in targets {
                let scalar = match std::str::from_utf8(field) {
                    Ok("") => Scalar::Null,
                    Ok(text) => Scalar::Text(text.into()),
                    Err(_) => return Ok(Some(Err(Fault::row("is not UTF-8")))),
                };
                if let Err(fault) = draft.set(target.column, &scalar) {
                    return Ok(Some(Err(fault)));
                }
            }
        }
        Ok(Some(Ok(())))
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn raw(&mut self) -> Result<Vec<u8>> {
        let (start, end) = self.extent;
        let raw = self.tape.borrow_mut().cut(start, end);
        Ok(raw.trim_ascii().to_vec())
    }

    fn preamble(&self) -> &[u8] {
        self.header.trim_ascii()
    }
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

/// The bytes read since the last record, so that a bad one can be kept as it came.
#[derive(Default)]
struct Tape {
    start: u64,
    bytes: Vec<u8>,
}

impl Tape {
    fn at(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.start))
            .unwrap_or(usize::MAX)
            .min(self.bytes.len())
    }

    fn cut(&self, start: u64, end: u64) -> Vec<u8> {
        self.bytes.get(self.at(start)..self.at(end)).unwrap_or_default().to_vec()
    }

    /// Moving the rest to the front is only worth it when much is done with.
    fn forget(&mut self, until: u64) {
        let done = self.at(until);
        if done > 1 << 18 || done == self.bytes.len() {
            self.bytes.drain(..done);
            self.start += done as u64;
        }
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
        tape.bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if tape.bytes.len() > RECORD_BYTES_MAX {
            let limit = RECORD_BYTES_MAX >> 20;
            let reason = format!("a record is longer than {limit} MiB; is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        Ok(count)
    }
}
