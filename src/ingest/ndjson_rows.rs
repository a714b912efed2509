//! One JSON object a line, straight into typed columns, without a tree in between.

use std::{
    borrow::Cow,
    fmt,
    io::{BufRead, Read as _},
};

use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    draft::{Draft, Fault},
    field_map::Target,
    reader::{RECORD_BYTES_MAX, RowReader},
    scalar::Scalar,
};
use crate::base::{Error, Result};

/// Reads NDJSON. Blank lines are skipped.
pub(super) struct NdjsonRows {
    name: String,
    reader: Box<dyn BufRead>,
    line: u64,
    buffer: Vec<u8>,
}

impl NdjsonRows {
    pub(super) fn new(name: String, reader: Box<dyn BufRead>) -> Self {
        Self { name, reader, line: 0, buffer: Vec::new() }
    }

    /// Reads a line into the buffer; `false` at the end.
    fn read_line(&mut self) -> Result<bool> {
        self.buffer.clear();
        let mut limited = self.reader.by_ref().take(RECORD_BYTES_MAX as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.buffer);
        let read = read.map_err(|error| Error::io(&self.name, error).about("reading"))?;
        self.line += 1;
        Ok(read > 0)
    }

    /// Skips the rest of a line that is too long to hold.
    fn skip_line(&mut self) -> Result<()> {
        while self.buffer.last() != Some(&b'\n') {
            let part = self.reader.fill_buf().map_err(|error| Error::io(&self.name, error))?;
            let Some(last) = part.last() else { break };
            let end = part.iter().position(|byte| *byte == b'\n');
            let (used, ended) = end.map_or((part.len(), *last), |at| (at + 1, b'\n'));
            self.buffer.truncate(RECORD_BYTES_MAX);
            self.buffer.push(ended);
            self.reader.consume(used);
        }
        Ok(())
    }
}

impl RowReader for NdjsonRows {
    fn next(&mut self, draft: &mut Draft<'_>) -> Result<Option<Result<(), Fault>>> {
        while self.read_line()? {
            if self.buffer.len() > RECORD_BYTES_MAX {
                self.skip_line()?;
                let limit = RECORD_BYTES_MAX >> 20;
                return Ok(Some(Err(Fault::row(format!("the line is longer than {limit} MiB")))));
            }
            let mut line = self.buffer.as_slice();
            if self.line == 1 {
                line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            }
            let line = line.trim_ascii();
            if !line.is_empty() {
                return Ok(Some(read_object(line, draft)));
            }
        }
        Ok(None)
    }

    fn line(&self) -> u64 {
        self.line
    }

    fn raw(&mut self) -> Result<Vec<u8>> {
        Ok(self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer).to_vec())
    }
}

fn read_object(line: &[u8], draft: &mut Draft<'_>) -> Result<(), Fault> {
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_slice(line);
    let row = RowVisitor { draft, fault: &mut fault };
    let read = json.deserialize_map(row).and_then(|()| json.end());
    match (fault, read) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(Fault::row(format!("not a JSON object: {error}"))),
        (None, Ok(())) => Ok(()),
    }
}

struct RowVisitor<'a, 'd> {
    draft: &'a mut Draft<'d>,
    fault: &'a mut Option<Fault>,
}

impl<'de> Visitor<'de> for RowVisitor<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let fields = self.draft.map();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let targets = fields.targets(&key.0);
            if targets.is_empty() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = map.next_value()?;
            for target in targets {
                let set = set_target(self.draft, target, value.get());
                if let Err(fault) = set {
                    self.fault.get_or_insert(fault);
                }
            }
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

fn set_target(draft: &mut Draft<'_>, target: &Target, json: &str) -> Result<(), Fault> {
    match descend(json, &target.path) {
        None => Ok(()),
        Some(json) => {
            let scalar = scalar(json).map_err(|reason| draft.fault(target.column, reason))?;
            draft.set(target.column, &scalar)
        }
    }
}

/// The value at the end of a path into nested objects; `None` where the path ends early.
fn descend<'j>(json: &'j str, path: &[String]) -> Option<&'j str> {
    let mut json = json;
    for name in path {
        let object: std::collections::HashMap<Cow<'j, str>, &'j RawValue> =
            serde_json::from_str(json).ok()?;
        json = object.get(name.as_str())?.get();
    }
    Some(json)
}

fn scalar(json: &str) -> Result<Scalar<'_>, &'static str> {
    match json.as_bytes().first() {
        Some(b'n') => Ok(Scalar::Null),
        Some(b't') => Ok(Scalar::Boolean(true)),
        Some(b'f') => Ok(Scalar::Boolean(false)),
        Some(b'"') => {
            let inside = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
            if !inside.contains('\\') {
                return Ok(Scalar::Text(inside.into()));
            }
            let text: String =
                serde_json::from_str(json).map_err(|_| "a text that is not valid")?;
            Ok(Scalar::Text(text.into()))
        }
        Some(b'{' | b'[') => Err("an object or array where a value is expected"),
        _ => Ok(Scalar::Number(json)),
    }
}
