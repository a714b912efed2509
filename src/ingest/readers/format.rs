//! Formats of input rows, and how an input's format is detected.

use std::str::FromStr;

use serde::de::IgnoredAny;

use crate::base::{Error, Result};

/// The first bytes of a Parquet file.
pub(crate) const PARQUET: &[u8] = b"PAR1";

/// The endings of packed files.
const PACKED: [&str; 3] = [".gz", ".zst", ".bz2"];

/// A format of input rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Ndjson,
    /// JSON objects in any layout, or lists of them.
    Json,
    /// CSV with a header. Between the fields are commas, semicolons, tabs or bars.
    Csv,
    /// Parquet.
    Parquet,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "ndjson" | "jsonl" => Ok(Self::Ndjson),
            "json" => Ok(Self::Json),
            "csv" | "tsv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            other => {
                let reason = format!("format `{other}` is not ndjson, json, csv or parquet");
                Err(Error::invalid(reason))
            }
        }
    }
}

/// The format of an input: the given one, or that of its name, or that of its first bytes.
pub(crate) fn format_of(name: &str, given: Option<Format>, start: &[u8]) -> Format {
    given.or_else(|| named_format(name)).unwrap_or_else(|| sniffed_format(start))
}

/// The format that a name tells. `.json` tells none: such files have one object in all, one in
/// each line, or a list.
fn named_format(name: &str) -> Option<Format> {
    match ending(name)?.as_str() {
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" | "tsv" => Some(Format::Csv),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// The ending of a file's name in lower case, without the one that says how the file is packed:
/// `csv` of `Calls.CSV.gz`.
pub(crate) fn ending(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let unpacked = PACKED.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    unpacked.rsplit_once('.').map(|(_, ending)| ending.to_owned())
}

fn sniffed_format(start: &[u8]) -> Format {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.starts_with(PARQUET) {
        Format::Parquet
    } else if text.starts_with(b"[") {
        Format::Json
    } else if text.is_empty() || text.starts_with(b"{") {
        if is_object_in_a_line(text) { Format::Ndjson } else { Format::Json }
    } else {
        Format::Csv
    }
}

/// Whether the first line is an object, or a bad line of such a file: it is not the start of an
/// object that goes on in the next line.
fn is_object_in_a_line(text: &[u8]) -> bool {
    let (line, behind) = match memchr::memchr(b'\n', text) {
        Some(end) => (text.get(..end).unwrap_or_default(), text.get(end + 1..)),
        None => (text, None),
    };
    match (serde_json::from_slice::<IgnoredAny>(line), behind) {
        (Ok(_), _) => true,
        (Err(error), Some(behind)) => {
            let goes_on = line.trim_ascii().ends_with(b"[") || line.trim_ascii().ends_with(b",");
            !error.is_eof() || behind.starts_with(b"{") && !goes_on
        }
        // The only line, or one that is longer than the sniffed bytes. Objects without line ends
        // between them may follow.
        (Err(error), None) => error.is_eof(),
    }
}
