//! Splits simple JSON objects: objects with one level and without escapes, as most are in a log.
//!
//! A line that is split here is JSON, and every parser finds the same fields in it. All other
//! lines are left to a full parser, which also reports what is wrong with a line.

use std::ops::Range;

/// Where a field is in its line: its name without quotes, and its value as it is written.
pub(crate) type Field = (Range<usize>, Range<usize>);

/// Splits a line, which must be UTF-8, into its fields. `false` when the line is not a simple
/// object; `fields` then means nothing.
pub(crate) fn split(line: &[u8], fields: &mut Vec<Field>) -> bool {
    fields.clear();
    is_plain(line) && split_object(line, fields).is_some()
}

/// Whether the line has no escapes and no control characters. In such a line, every quote starts
/// or ends a text.
fn is_plain(line: &[u8]) -> bool {
    // The loop has no early exit, so that many bytes are checked at once.
    let is_odd = |byte: &u8| u8::from(*byte < b' ') | u8::from(*byte == b'\\');
    line.iter().fold(0, |found, byte| found | is_odd(byte)) == 0
}

fn split_object(line: &[u8], fields: &mut Vec<Field>) -> Option<()> {
    let mut at = skip_spaces(line, expect(line, skip_spaces(line, 0), b'{')?);
    if line.get(at) == Some(&b'}') {
        return is_end(line, at + 1);
    }
    loop {
        let name = quoted(line, at)?;
        at = skip_spaces(line, expect(line, skip_spaces(line, name.end + 1), b':')?);
        let value = match line.get(at)? {
            b'"' => at..quoted(line, at)?.end + 1,
            b't' => literal(line, at, b"true")?,
            b'f' => literal(line, at, b"false")?,
            b'n' => literal(line, at, b"null")?,
            _ => number(line, at)?,
        };
        at = skip_spaces(line, value.end);
        fields.push((name, value));
        match line.get(at)? {
            b',' => at = skip_spaces(line, at + 1),
            b'}' => return is_end(line, at + 1),
            _ => return None,
        }
    }
}

fn skip_spaces(line: &[u8], mut at: usize) -> usize {
    while line.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

fn is_end(line: &[u8], at: usize) -> Option<()> {
    (skip_spaces(line, at) == line.len()).then_some(())
}

fn expect(line: &[u8], at: usize, byte: u8) -> Option<usize> {
    (line.get(at) == Some(&byte)).then_some(at + 1)
}

/// The range between the quote at `at` and the next quote.
fn quoted(line: &[u8], at: usize) -> Option<Range<usize>> {
    let start = expect(line, at, b'"')?;
    let length = memchr::memchr(b'"', line.get(start..)?)?;
    Some(start..start + length)
}

fn literal(line: &[u8], at: usize, word: &[u8]) -> Option<Range<usize>> {
    line.get(at..)?.starts_with(word).then_some(at..at + word.len())
}

/// The range of the number at `start`: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, as in
/// RFC 8259.
fn number(line: &[u8], start: usize) -> Option<Range<usize>> {
    let digits = |from: usize| {
        let mut at = from;
        while line.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at > from).then_some(at)
    };
    let whole = start + usize::from(line.get(start) == Some(&b'-'));
    let mut at = digits(whole)?;
    if line.get(whole) == Some(&b'0') && at > whole + 1 {
        return None;
    }
    if line.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(line.get(at), Some(b'e' | b'E')) {
        let sign = matches!(line.get(at + 1), Some(b'+' | b'-'));
        at = digits(at + 1 + usize::from(sign))?;
    }
    Some(start..at)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn fields(line: &str) -> Option<Vec<(&str, &str)>> {
        let mut fields = Vec::new();
        let split = split(line.as_bytes(), &mut fields);
        split.then(|| fields.into_iter().map(|(name, value)| (&line[name], &line[value])).collect())
    }

    #[test]
    fn objects_of_one_level_are_split() {
        let line = r#" { "a" : "x{,}" ,"b":-1.50e+3, "ü":null,"":true} "#;
        let expected = [("a", "\"x{,}\""), ("b", "-1.50e+3"), ("ü", "null"), ("", "true")];
        assert_eq!(fields(line).unwrap(), expected);
        assert_eq!(fields("{}").unwrap(), []);
    }

    #[test]
    fn everything_else_is_left_alone() {
        for line in [
            "",
            "{",
            "[1]",
            "null",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":1e}",
            "{\"a\":nul}",
            "{\"a\":NaN}",
            "{\"a\":{}}",
            "{\"a\":[]}",
            "{\"a\":\"\\n\"}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"x}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":truefalse}",
        ] {
            assert_eq!(fields(line), None, "{line}");
        }
    }

    proptest! {
        /// A line that is split has the fields that a full parser finds.
        #[test]
        fn as_a_whole_parser_has_it(line in r#"\{("[ab]{0,2}" ?: ?("[a-c{},:]{0,3}"|-?[0-9.e]{1,4}|true|null|\{\}),?){0,3}\}"#) {
            if let Some(found) = fields(&line) {
                let parsed: BTreeMap<String, &RawValue> = serde_json::from_str(&line).unwrap();
                let found: BTreeMap<_, _> =
                    found.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let parsed: BTreeMap<_, _> =
                    parsed.into_iter().map(|(name, value)| (name, value.get())).collect();
                prop_assert_eq!(found, parsed);
            }
        }
    }
}
