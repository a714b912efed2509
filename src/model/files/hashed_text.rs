//! Small text files whose damage can be detected: the last line is the hash of the text before it.

use crate::base::{Error, Result};

/// The text without newlines at its end, then a line with `word` and the text's BLAKE3 hash.
#[must_use]
pub(crate) fn with_hash(text: &str, word: &str) -> String {
    let text = text.trim_end_matches('\n');
    format!("{text}\n{word}{}\n", hash_of(text))
}

/// The text that was written, and its hash.
///
/// # Errors
/// `Corrupt` when the file isn't as it was written.
pub(crate) fn without_hash<'t>(file: &'t [u8], word: &str) -> Result<(&'t str, &'t str)> {
    let damaged = || Error::corrupt("its bytes are not those it was written with");
    let file = std::str::from_utf8(file).map_err(|_| damaged())?;
    let lines = file.strip_suffix('\n').and_then(|file| file.rsplit_once('\n'));
    let (text, last) = lines.ok_or_else(damaged)?;
    let hash = last.strip_prefix(word).filter(|hash| *hash == hash_of(text));
    Ok((text, hash.ok_or_else(damaged)?))
}

fn hash_of(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_that_flips_or_a_byte_that_is_missing_is_found() {
        let file = with_hash("one\ntwo\n", "# ").into_bytes();
        assert_eq!(without_hash(&file, "# ").unwrap().0, "one\ntwo");
        for at in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            assert!(without_hash(&flipped, "# ").is_err(), "bit {at}");
        }
        for length in 0..file.len() {
            assert!(without_hash(&file[..length], "# ").is_err(), "{length} bytes");
        }
    }
}
