//! How texts are encoded, and what stands between the fields of a CSV file.

use std::io::{self, BufRead, BufReader};

use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::ingest::readers::format::ending;

/// What may stand between two fields of a CSV file. Of two that a header has equally often, the
/// first is taken.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A text as UTF-8. UTF-16 is known by its byte order mark.
pub(crate) fn as_utf8(mut reader: Box<dyn BufRead>) -> io::Result<Box<dyn BufRead>> {
    let start = reader.fill_buf()?;
    if !start.starts_with(&[0xff, 0xfe]) && !start.starts_with(&[0xfe, 0xff]) {
        return Ok(reader);
    }
    let decoder = DecodeReaderBytesBuilder::new().bom_override(true).build(reader);
    Ok(Box::new(BufReader::with_capacity(1 << 18, decoder)))
}

/// What stands between the fields of a CSV file that starts with these bytes.
pub(crate) fn delimiter(name: &str, start: &[u8]) -> u8 {
    if ending(name).as_deref() == Some("tsv") {
        return b'\t';
    }
    let line = start.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut in_quotes = false;
    for byte in line {
        in_quotes ^= *byte == b'"';
        let at = DELIMITERS.iter().position(|delimiter| delimiter == byte);
        if let Some(count) = at.filter(|_| !in_quotes).and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let found = DELIMITERS.iter().zip(counts).find(|(_, count)| *count == most);
    found.map_or(b',', |(delimiter, _)| *delimiter)
}

/// The name of a field of a CSV header.
pub(crate) fn header_name(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _};

    use super::*;

    #[test]
    fn a_header_shows_what_stands_between_its_fields() {
        for (name, start, found) in [
            ("a.csv", "a,b,c\n1;2;3", b','),
            ("a.csv", "a;b;c\n", b';'),
            ("a.csv", "a\tb\n", b'\t'),
            ("a.csv", "\"a;b;c\",d\n", b','),
            ("a.tsv", "a,b\n", b'\t'),
            ("a.csv", "a\n", b','),
            ("a.csv", "", b','),
        ] {
            assert_eq!(delimiter(name, start.as_bytes()), found, "{start}");
        }
    }

    #[test]
    fn utf_16_is_known_by_its_mark() {
        let little: Vec<u8> =
            "\u{feff}{\"a\":\"ü\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> =
            "\u{feff}{\"a\":\"ü\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [little, big, "{\"a\":\"ü\"}".as_bytes().to_vec()] {
            let mut text = String::new();
            as_utf8(Box::new(Cursor::new(bytes))).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "{\"a\":\"ü\"}");
        }
    }
}
