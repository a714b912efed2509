//! Reads one JSON object per line directly into typed columns, without a tree in between.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    base::Result,
    ingest::{
        readers::{
            plain_json::{self, Field},
            reader::{RECORD_BYTES_MAX, RowReader},
        },
        rows::row_builder::{Fault, RowBuilder},
    },
    sources::{Json, Scalar},
};

/// Reads a block of lines of NDJSON. Blank lines are skipped.
pub(crate) struct NdjsonRows {
    text: Text,
    /// The range of the last line that was read; `next` is where the following line starts.
    last: Range<usize>,
    next: usize,
    line: u64,
    lines: usize,
    fields: Vec<Field>,
}

/// A block. Whether it is UTF-8 is checked once, for the whole block.
enum Text {
    Utf8(String),
    /// Some lines of the block are not UTF-8.
    Broken(Vec<u8>),
}

impl Text {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Broken(bytes) => bytes,
        }
    }

    fn line(&self, range: Range<usize>) -> Result<&str, Fault> {
        match self {
            Self::Utf8(text) => Ok(text.get(range).unwrap_or_default()),
            Self::Broken(bytes) => std::str::from_utf8(bytes.get(range).unwrap_or_default())
                .map_err(|error| {
                    let column = error.valid_up_to() + 1;
                    Fault::row(format!("not a JSON object: not UTF-8 at column {column}"))
                }),
        }
    }
}

impl NdjsonRows {
    /// A reader of a block with up to `lines` lines. `line` is the number of the block's first
    /// line in the input, from 1.
    pub(crate) fn new(block: Vec<u8>, line: u64, lines: usize) -> Self {
        let bom = if line == 1 && block.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let text = String::from_utf8(block)
            .map_or_else(|error| Text::Broken(error.into_bytes()), Text::Utf8);
        // `advance` counts each line when it reads the line.
        Self { text, last: 0..0, next: bom, line: line - 1, lines, fields: Vec::new() }
    }

    /// Where the next line that is not blank is, without the spaces around it; `None` at the end of
    /// the block, and a fault for a line that can't be a record.
    fn next_line(&mut self) -> Option<Result<Range<usize>, Fault>> {
        while self.advance() {
            if self.last.len() > RECORD_BYTES_MAX {
                let limit = RECORD_BYTES_MAX >> 20;
                return Some(Err(Fault::row(format!("the line is longer than {limit} MiB"))));
            }
            let line = match self.text.line(self.last.clone()) {
                Ok(line) => line,
                Err(fault) => return Some(Err(fault)),
            };
            let trimmed = line.trim_ascii();
            if !trimmed.is_empty() {
                let start = self.last.start + (line.len() - line.trim_ascii_start().len());
                return Some(Ok(start..start + trimmed.len()));
            }
        }
        None
    }

    /// Moves on to the next line; `false` at the end of the block.
    fn advance(&mut self) -> bool {
        let rest = self.text.bytes().get(self.next..).unwrap_or_default();
        if rest.is_empty() {
            return false;
        }
        let end = memchr::memchr(b'\n', rest);
        self.last = self.next..self.next + end.unwrap_or(rest.len());
        self.next = self.last.end + usize::from(end.is_some());
        self.line += 1;
        true
    }
}

impl RowReader for NdjsonRows {
    fn records_max(&self) -> usize {
        self.lines
    }

    fn next(&mut self, builder: &mut RowBuilder<'_>) -> Option<Result<(), Fault>> {
        let line = match self.next_line()? {
            Ok(line) => line,
            Err(fault) => return Some(Err(fault)),
        };
        let text = self.text.line(line).unwrap_or_default();
        Some(if plain_json::split(text.as_bytes(), &mut self.fields) {
            read_fields(text, &self.fields, builder)
        } else {
            read_object(text, builder)
        })
    }

    fn record(&mut self) -> Option<Result<Json, Fault>> {
        let line = self.next_line()?;
        Some(line.and_then(|line| parsed(self.text.line(line).unwrap_or_default())))
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn raw(&self) -> Result<Vec<u8>> {
        let line = self.text.bytes().get(self.last.clone()).unwrap_or_default();
        Ok(line.get(..RECORD_BYTES_MAX).unwrap_or(line).to_vec())
    }
}

fn read_fields(line: &str, fields: &[Field], builder: &mut RowBuilder<'_>) -> Result<(), Fault> {
    for (at, (name, value)) in fields.iter().enumerate() {
        let name = line.get(name.clone()).unwrap_or_default();
        for column in builder.targets(at, name) {
            set_column(builder, *column, line.get(value.clone()).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Parses a record.
pub(super) fn parsed(text: &str) -> Result<Json, Fault> {
    if !text.starts_with('{') {
        return Err(Fault::row("not a JSON object"));
    }
    Json::parse(text).map_err(|error| Fault::row(format!("not a JSON object: {error}")))
}

/// Reads one object, and fails if anything follows it. After a field with a fault the rest of the
/// object is still read. The first fault is reported.
pub(super) fn read_object(line: &str, builder: &mut RowBuilder<'_>) -> Result<(), Fault> {
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(line);
    let row = RowVisitor { builder, fault: &mut fault };
    let read = json.deserialize_map(row).and_then(|()| json.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(Fault::row(format!("not a JSON object: {error}"))),
        (None, Ok(())) => Ok(()),
    }
}

struct RowVisitor<'a, 'd> {
    builder: &'a mut RowBuilder<'d>,
    fault: &'a mut Option<Fault>,
}

impl<'de> Visitor<'de> for RowVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let targets = self.builder.targets(at, &key.0);
            at += 1;
            if targets.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            // The value's text is used: a float would not be exact.
            let value: &RawValue = map.next_value()?;
            for column in targets {
                if let Err(fault) = set_column(self.builder, *column, value.get()) {
                    self.fault.get_or_insert(fault);
                }
            }
        }
        Ok(())
    }
}

/// A key, borrowed when it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn set_column(builder: &mut RowBuilder<'_>, column: usize, json: &str) -> Result<(), Fault> {
    let scalar = match json.as_bytes().first() {
        Some(b'n') => Scalar::Null,
        Some(b't') => Scalar::Boolean(true),
        Some(b'f') => Scalar::Boolean(false),
        Some(b'"') if memchr::memchr(b'\\', json.as_bytes()).is_none() => {
            Scalar::Text(json.get(1..json.len().saturating_sub(1)).unwrap_or_default())
        }
        Some(b'"') => {
            let text: String = serde_json::from_str(json)
                .map_err(|_| builder.fault(column, "a text that is not valid"))?;
            return builder.set(column, &Scalar::Text(&text));
        }
        Some(b'{' | b'[') if builder.takes_tags(column) => Scalar::Text(json),
        Some(b'{' | b'[') => {
            return Err(builder.fault(column, "an object or array where a value is expected"));
        }
        _ => Scalar::Number(json),
    };
    builder.set(column, &scalar)
}
