//! A file's checksum: the hashes of the bytes behind the file's rows. These bytes include the
//! footer metadata, which can't hash itself.
//!
//! ```text
//! rows │ page index │ footer: …, metadata, checksum = hash of the index, hash of the footer
//! ```
//!
//! Each of the two hashes is half of the checksum: BLAKE3, cut to 32 hex digits. The footer is
//! hashed together with its length and magic bytes, and with zeros (`0` digits) in place of its
//! own hash.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
};

use memchr::memmem;
use parquet::file::metadata::{KeyValue, ParquetMetaData};

/// The footer key of the checksum.
const KEY: &str = "tallybook.seal";

/// Hex digits of one hash.
const HALF: usize = 32;

/// A checksum that isn't filled in yet.
const BLANK: [u8; 2 * HALF] = [b'0'; 2 * HALF];

/// The bytes at the end of a footer: four of length and four of magic.
pub(crate) const ENDING: u64 = 8;

/// The footer entry with a blank checksum. [`fill`] overwrites the blank.
pub(crate) fn blank() -> KeyValue {
    KeyValue::new(KEY.to_owned(), String::from_utf8_lossy(&BLANK).into_owned())
}

/// Fills in the checksum of a finished file. `rows` is the number of bytes before the page index.
///
/// # Errors
/// `InvalidData` when the file has no blank checksum; any other error from the disk.
pub(crate) fn fill(file: &mut File, rows: u64) -> io::Result<()> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(rows))?;
    file.read_to_end(&mut tail)?;
    let (index, footer) = split(&tail).ok_or_else(invalid)?;
    let at = place_of(footer, &BLANK).ok_or_else(invalid)?;
    let of_index = hash(&[index]);
    let behind = footer.get(at + 2 * HALF..).ok_or_else(invalid)?;
    let before = footer.get(..at).ok_or_else(invalid)?;
    let of_footer = hash(&[before, of_index.as_bytes(), &blank_half(), behind]);
    file.seek(SeekFrom::Start(rows + (index.len() + at) as u64))?;
    file.write_all((of_index + &of_footer).as_bytes())
}

/// The length of a footer in bytes, including its ending. `tail` is the end of the file.
pub(crate) fn footer_length(tail: &[u8]) -> Option<u64> {
    let (ending, _) = tail.last_chunk::<8>()?.split_first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*ending)) + ENDING)
}

/// Splits the bytes behind a file's rows into the page index and the footer.
fn split(tail: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(footer_length(tail)?).ok()?;
    tail.split_at_checked(tail.len().checked_sub(length)?)
}

/// The checksum in a file's Parquet metadata.
pub(crate) fn checksum_of(metadata: &ParquetMetaData) -> Option<&str> {
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    pairs.filter(|pair| pair.key == KEY).find_map(|pair| pair.value.as_deref())
}

/// Whether the checksum matches all bytes behind a file's rows.
pub(crate) fn is_tail(checksum: &str, tail: &[u8]) -> bool {
    split(tail)
        .is_some_and(|(index, footer)| is_footer(checksum, footer) && is_index(checksum, index))
}

/// Whether the checksum matches the footer.
pub(crate) fn is_footer(checksum: &str, footer: &[u8]) -> bool {
    let check = || {
        let at = place_of(footer, checksum.as_bytes())?;
        let (before, behind) = (footer.get(..at + HALF)?, footer.get(at + 2 * HALF..)?);
        Some(checksum.get(HALF..)? == hash(&[before, &blank_half(), behind]))
    };
    check().unwrap_or_default()
}

/// Whether the checksum matches the page index.
pub(crate) fn is_index(checksum: &str, index: &[u8]) -> bool {
    checksum.get(..HALF).is_some_and(|half| half == hash(&[index]))
}

/// The offset of the checksum in its footer. The checksum comes behind its key and two bytes that
/// encode a text of the checksum's length.
fn place_of(footer: &[u8], checksum: &[u8]) -> Option<usize> {
    let at = memmem::rfind(footer, KEY.as_bytes())? + KEY.len() + 2;
    (footer.get(at..at + 2 * HALF)? == checksum).then_some(at)
}

fn blank_half() -> [u8; HALF] {
    [b'0'; HALF]
}

fn hash(parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut hex = hasher.finalize().to_hex().to_string();
    hex.truncate(HALF);
    hex
}
