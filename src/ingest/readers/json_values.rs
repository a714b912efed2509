//! JSON values of any layout: one object in many lines, objects one after the other, or lists of
//! objects. Each object is a record; the elements of a list at the top are records, too.

use std::{
    io::{BufRead, Read as _},
    ops::Range,
};

use crate::{
    base::{Error, Result},
    ingest::{
        readers::{
            ndjson_rows::{parsed, read_object},
            reader::{BlockReader, RECORD_BYTES_MAX, RowReader},
        },
        rows::row_builder::{Fault, RowBuilder},
    },
    sources::Json,
};

/// How many bytes are read at once.
const READ_BYTES: usize = 512 << 10;

/// Cuts JSON into blocks of whole values.
pub(crate) struct JsonValues {
    name: String,
    reader: Box<dyn BufRead>,
    /// Bytes that are in no block yet.
    rest: Vec<u8>,
    cutter: Cutter,
    ended: bool,
}

/// Finds the ends of values, byte by byte.
struct Cutter {
    /// How many objects and lists are open around the next byte, without a list at the top.
    depth: usize,
    /// Whether the next byte is in a list at the top.
    in_list: bool,
    in_text: bool,
    escaped: bool,
    /// The line of the next byte, from 1.
    line: u64,
    /// Where the open value starts in the bytes that are looked at, and on which line.
    start: Option<(usize, u64)>,
}

/// Where a record is in its block, and on which line it starts.
type Found = (Range<usize>, u64);

impl JsonValues {
    pub(crate) const fn new(name: String, reader: Box<dyn BufRead>) -> Self {
        let cutter = Cutter {
            depth: 0,
            in_list: false,
            in_text: false,
            escaped: false,
            line: 1,
            start: None,
        };
        Self { name, reader, rest: Vec::new(), cutter, ended: false }
    }

    fn wrong(&self, line: u64, reason: &str) -> Error {
        Error::invalid(format!("{}:{line}: {reason}", self.name))
    }
}

impl BlockReader for JsonValues {
    fn next(&mut self) -> Result<Option<Box<dyn RowReader>>> {
        let mut block = std::mem::take(&mut self.rest);
        let mut looked_at = block.len();
        let mut found = Vec::new();
        while found.is_empty() && !self.ended {
            let mut part = self.reader.by_ref().take(READ_BYTES as u64);
            let read = part.read_to_end(&mut block);
            self.ended = read.map_err(|error| Error::io(&self.name, error).about("reading"))? == 0;
            if looked_at == 0 && self.cutter.line == 1 && block.starts_with(b"\xef\xbb\xbf") {
                looked_at = 3;
            }
            for at in looked_at..block.len() {
                let byte = block.get(at).copied().unwrap_or_default();
                let cut = self.cutter.next(at, byte);
                found.extend(cut.map_err(|reason| self.wrong(self.cutter.line, reason))?);
            }
            looked_at = block.len();
            let open = self.cutter.start.map_or(0, |(start, _)| block.len() - start);
            if open > RECORD_BYTES_MAX {
                let limit = RECORD_BYTES_MAX >> 20;
                let reason = format!("a value is longer than {limit} MiB");
                return Err(self.wrong(self.cutter.line, &reason));
            }
        }
        if self.ended && (self.cutter.start.is_some() || self.cutter.in_list) {
            let line = self.cutter.start.map_or(self.cutter.line, |(_, line)| line);
            return Err(self.wrong(line, "the JSON is not ended: the file seems to be cut"));
        }
        if found.is_empty() {
            return Ok(None);
        }
        if let Some((start, line)) = self.cutter.start {
            self.rest = block.split_off(start);
            self.cutter.start = Some((0, line));
        }
        Ok(Some(Box::new(JsonRows { block, found, read: 0 })))
    }
}

impl Cutter {
    /// Takes in the byte at that offset. Gives the value that ends with the byte.
    fn next(&mut self, at: usize, byte: u8) -> Result<Option<Found>, &'static str> {
        self.line += u64::from(byte == b'\n');
        if self.in_text {
            let ends = byte == b'"' && !self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            self.in_text = !ends;
            return Ok(None);
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            // A record separator of RFC 7464.
            0x1e if self.depth == 0 => {}
            b',' if self.depth == 0 && self.in_list => {}
            b']' if self.depth == 0 && self.in_list => self.in_list = false,
            b'[' if self.depth == 0 && !self.in_list => self.in_list = true,
            b'{' | b'[' => {
                if self.depth == 0 {
                    self.start = Some((at, self.line));
                }
                self.depth += 1;
            }
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0
                    && let Some((start, line)) = self.start.take()
                {
                    return Ok(Some((start..at + 1, line)));
                }
            }
            b'"' if self.depth > 0 => self.in_text = true,
            _ if self.depth > 0 => {}
            _ => return Err("a JSON object is expected here"),
        }
        Ok(None)
    }
}

/// A block of values.
struct JsonRows {
    block: Vec<u8>,
    found: Vec<Found>,
    read: usize,
}

impl JsonRows {
    fn next_text(&mut self) -> Option<Result<&str, Fault>> {
        let (range, _) = self.found.get(self.read)?;
        self.read += 1;
        let text = std::str::from_utf8(self.block.get(range.clone()).unwrap_or_default());
        Some(text.map_err(|_| Fault::row("not a JSON object: not UTF-8")))
    }

    fn last(&self) -> Option<&Found> {
        self.found.get(self.read.checked_sub(1)?)
    }
}

impl RowReader for JsonRows {
    fn records_max(&self) -> usize {
        self.found.len()
    }

    fn next(&mut self, builder: &mut RowBuilder<'_>) -> Option<Result<(), Fault>> {
        Some(self.next_text()?.and_then(|text| read_object(text, builder)))
    }

    fn record(&mut self) -> Option<Result<Json, Fault>> {
        Some(self.next_text()?.and_then(parsed))
    }

    fn line(&self) -> u64 {
        self.last().map_or(1, |(_, line)| *line)
    }

    /// The value on one line. JSON has line ends only between its parts.
    fn raw(&self) -> Result<Vec<u8>> {
        let range = self.last().map(|(range, _)| range.clone()).unwrap_or_default();
        let text = self.block.get(range).unwrap_or_default().iter();
        Ok(text.map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    fn records(text: &str, at_once: usize) -> Result<Vec<(u64, String)>> {
        let reader = BufReader::with_capacity(at_once, Cursor::new(text.to_owned()));
        let mut values = JsonValues::new("f.json".to_owned(), Box::new(reader));
        let mut records = Vec::new();
        while let Some(mut block) = values.next()? {
            while block.record().is_some() {
                records.push((block.line(), String::from_utf8(block.raw()?).unwrap()));
            }
        }
        Ok(records)
    }

    #[test]
    fn values_are_found_in_every_layout() {
        for (text, found) in [
            ("{\"a\":1}", vec![(1, "{\"a\":1}")]),
            ("{\n \"a\": 1\n}\n{\"b\":2}", vec![(1, "{  \"a\": 1 }"), (4, "{\"b\":2}")]),
            (
                "[{\"a\":\"]}\\\"\"},\n{\"b\":[1]}]\n",
                vec![(1, "{\"a\":\"]}\\\"\"}"), (2, "{\"b\":[1]}")],
            ),
            ("[]\n[{}]", vec![(2, "{}")]),
            ("{}{}", vec![(1, "{}"), (1, "{}")]),
            ("", vec![]),
            ("\u{feff}{}", vec![(1, "{}")]),
        ] {
            let found: Vec<_> =
                found.iter().map(|(line, text)| (*line, (*text).to_owned())).collect();
            assert_eq!(records(text, 3).unwrap(), found, "{text}");
        }
    }

    #[test]
    fn cut_and_other_texts_are_refused() {
        for (text, reason) in [
            ("[{\"a\":1},", "f.json:1: the JSON is not ended"),
            ("{}\n{\"a\":", "f.json:2: the JSON is not ended"),
            ("{} x", "f.json:1: a JSON object is expected here"),
            ("[1]", "f.json:1: a JSON object is expected here"),
        ] {
            assert!(records(text, 100).unwrap_err().to_string().starts_with(reason), "{text}");
        }
    }
}
