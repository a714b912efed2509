//! A file's seal: the hashes of what comes behind its rows, where the account of itself is, which
//! can't hash itself.
//!
//! ```text
//! rows │ page index │ footer: …, account, seal = hash of the index, hash of the footer
//! ```
//!
//! Each is half a seal, BLAKE3 in 32 hex digits. The footer, with its length and magic, is hashed
//! as if its own half were zeros.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
};

use memchr::memmem;
use parquet::file::metadata::{KeyValue, ParquetMetaData};

/// The footer key.
const KEY: &str = "tallybook.seal";

/// Digits of a hash.
const HALF: usize = 32;

/// A seal that isn't filled in.
const BLANK: [u8; 2 * HALF] = [b'0'; 2 * HALF];

/// A footer ends in its length, four bytes, and four of magic.
pub(crate) const ENDING: u64 = 8;

/// The entry of a footer that a seal will be in.
pub(crate) fn blank() -> KeyValue {
    KeyValue::new(KEY.to_owned(), String::from_utf8_lossy(&BLANK).into_owned())
}

/// Fills in the seal of a finished file whose rows are that many bytes.
///
/// # Errors
/// What the disk says; `InvalidData` when the file has no place for a seal.
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

/// How long the footer is of which these are the last bytes, its ending included.
pub(crate) fn footer_length(tail: &[u8]) -> Option<u64> {
    let (ending, _) = tail.last_chunk::<8>()?.split_first_chunk::<4>()?;
    Some(u64::from(u32::from_le_bytes(*ending)) + ENDING)
}

/// The page index and the footer, which are what comes behind a file's rows.
fn split(tail: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(footer_length(tail)?).ok()?;
    tail.split_at_checked(tail.len().checked_sub(length)?)
}

/// The seal that a file's metadata has.
pub(crate) fn seal_of(metadata: &ParquetMetaData) -> Option<&str> {
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    pairs.filter(|pair| pair.key == KEY).find_map(|pair| pair.value.as_deref())
}

/// Whether that is what was sealed behind a file's rows.
pub(crate) fn is_tail(seal: &str, tail: &[u8]) -> bool {
    split(tail).is_some_and(|(index, footer)| is_footer(seal, footer) && is_index(seal, index))
}

/// Whether that is the footer that was sealed.
pub(crate) fn is_footer(seal: &str, footer: &[u8]) -> bool {
    let check = || {
        let at = place_of(footer, seal.as_bytes())?;
        let (before, behind) = (footer.get(..at + HALF)?, footer.get(at + 2 * HALF..)?);
        Some(seal.get(HALF..)? == hash(&[before, &blank_half(), behind]))
    };
    check().unwrap_or_default()
}

/// Whether that is the page index that was sealed.
pub(crate) fn is_index(seal: &str, index: &[u8]) -> bool {
    seal.get(..HALF).is_some_and(|half| half == hash(&[index]))
}

/// Where the seal is in its footer: behind its key, and two bytes that say a text of its length.
fn place_of(footer: &[u8], seal: &[u8]) -> Option<usize> {
    let at = memmem::rfind(footer, KEY.as_bytes())? + KEY.len() + 2;
    (footer.get(at..at + 2 * HALF)? == seal).then_some(at)
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
