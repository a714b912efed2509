//! Decompresses inputs. The first bytes of an input decide how it is compressed, not its name.

use std::io::{self, BufRead, BufReader, Cursor, Read as _};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;

use crate::ingest::readers::input::peek;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BZIP2: [u8; 3] = *b"BZh";

/// Decompresses an input. An input that is not compressed is returned as it is.
///
/// # Errors
/// `UnexpectedEof` when the name says that the input is compressed, but the input ends before its
/// magic bytes do. An input that is cut later fails when the cut is read.
pub(crate) fn decompressed(
    name: &str,
    mut reader: impl BufRead + 'static,
) -> io::Result<Box<dyn BufRead>> {
    let start = peek(&mut reader, ZSTD.len() as u64)?;
    if is_cut(name, &start) {
        let reason = "the compressed file is cut: it ends before its first row";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
    }
    let (gzip, zstd) = (start.starts_with(&GZIP), start.starts_with(&ZSTD));
    let bzip2 = start.starts_with(&BZIP2);
    let whole = Cursor::new(start).chain(reader);
    Ok(if gzip {
        Box::new(BufReader::with_capacity(1 << 18, Decoded(MultiGzDecoder::new(whole))))
    } else if zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
        Box::new(BufReader::with_capacity(1 << 18, Decoded(decoder)))
    } else if bzip2 {
        Box::new(BufReader::with_capacity(1 << 18, Decoded(MultiBzDecoder::new(whole))))
    } else {
        Box::new(whole)
    })
}

/// Reads from a decoder. Decoders report data that they can't decode as `InvalidInput` or
/// `Other`. Such data is damaged, so both kinds become `InvalidData`.
struct Decoded<R>(R);

impl<R: io::Read> io::Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::Other => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("can't be decompressed: {error}"),
            ),
            _ => error,
        })
    }
}

fn is_cut(name: &str, start: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let cut_of = |ending: &str, magic: &[u8]| {
        name.ends_with(ending) && start.len() < magic.len() && magic.starts_with(start)
    };
    cut_of(".gz", &GZIP) || cut_of(".zst", &ZSTD) || cut_of(".bz2", &BZIP2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_is_cut_is_no_empty_input() {
        for (name, start, cut) in [
            ("a.ndjson.gz", &[] as &[u8], true),
            ("a.ndjson.GZ", &[0x1f], true),
            ("a.csv.zst", &[0x28, 0xb5, 0x2f], true),
            ("a.ndjson", &[], false),
            ("stdin", &[], false),
            ("a.ndjson.gz", b"{}", false),
        ] {
            assert_eq!(decompressed(name, start).is_err(), cut, "{name} {start:?}");
        }
    }
}
