//! Reads one JSON object per line directly into typed columns, without a tree in between.

use std::{borrow::Cow, collections::HashMap, fmt, ops::Range};

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
        rows::{
            field_map::Target,
            row_builder::{Fault, RowBuilder},
            scalar::Scalar,
        },
    },
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
        while self.advance() {
            if self.last.len() > RECORD_BYTES_MAX {
                let limit = RECORD_BYTES_MAX >> 20;
                return Some(Err(Fault::row(format!("the line is longer than {limit} MiB"))));
            }
            let line = match self.text.line(self.last.clone()) {
                Ok(line) => line.trim_ascii(),
                Err(fault) => return Some(Err(fault)),
            };
            if !line.is_empty() {
                return Some(if plain_json::split(line.as_bytes(), &mut self.fields) {
                    read_fields(line, &self.fields, builder)
                } else {
                    read_object(line, builder)
                });
            }
        }
        None
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
        for target in builder.targets(at, name) {
            set_target(builder, target, line.get(value.clone()).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Reads one object, and fails if anything follows it. After a field with a fault the rest of the
/// object is still read. The first fault is reported.
fn read_object(line: &str, builder: &mut RowBuilder<'_>) -> Result<(), Fault> {
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
            for target in targets {
                if let Err(fault) = set_target(self.builder, target, value.get()) {
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

fn set_target(builder: &mut RowBuilder<'_>, target: &Target, json: &str) -> Result<(), Fault> {
    let Some(json) = descend(json, &target.path) else { return Ok(()) };
    let column = target.column;
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
        Some(b'{' | b'[') => {
            return Err(builder.fault(column, "an object or array where a value is expected"));
        }
        _ => Scalar::Number(json),
    };
    builder.set(column, &scalar)
}

/// The value at the end of a path into nested objects; `None` when the objects lack a name of the
/// path.
fn descend<'j>(json: &'j str, path: &[String]) -> Option<&'j str> {
    let mut json = json;
    for name in path {
        let object: HashMap<Cow<'j, str>, &'j RawValue> = serde_json::from_str(json).ok()?;
        json = object.get(name.as_str())?.get();
    }
    Some(json)
}
