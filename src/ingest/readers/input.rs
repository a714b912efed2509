//! Inputs: files, standard input or bytes in memory, compressed or not. Detects their format.

use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use datafusion::execution::SendableRecordBatchStream;

use crate::{
    base::{Error, Result},
    ingest::{
        Rejects,
        readers::{
            csv_rows::CsvBlocks, decompress::decompressed, ndjson_blocks::NdjsonBlocks,
            parquet_file, reader::BlockReader, record_batches::RecordBatchBlocks, stdin,
        },
        rows::field_map::FieldMap,
    },
    model::Dataset,
    store::Staging,
};

/// A format of input rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Ndjson,
    /// CSV with a header.
    Csv,
    /// Parquet.
    Parquet,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "ndjson" | "jsonl" | "json" => Ok(Self::Ndjson),
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            other => Err(Error::invalid(format!("format `{other}` is not ndjson, csv or parquet"))),
        }
    }
}

/// How many bytes are read to detect an input's format. They are enough for blank lines before
/// the first row.
const SNIFFED_BYTES: u64 = 4 << 10;

/// An input with rows to append, not yet opened.
pub struct Input {
    name: String,
    source: Source,
}

enum Source {
    File(PathBuf),
    Stdin,
    Bytes(Vec<u8>),
    Batches(SendableRecordBatchStream),
}

impl Input {
    /// A file. Its extension decides the format; if the extension is unknown, its first bytes do.
    /// Its first bytes decide the compression.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.display().to_string(), source: Source::File(path) }
    }

    /// Standard input.
    #[must_use]
    pub fn stdin() -> Self {
        Self { name: "stdin".to_owned(), source: Source::Stdin }
    }

    /// Bytes in memory. `name` is their name in messages. The extension of `name` decides the
    /// format, as for a file.
    #[must_use]
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), source: Source::Bytes(bytes.into()) }
    }

    /// Record batches of one schema. Their columns have the names that the fields of a log have.
    /// A batch is read when it is needed, and its rows are checked as the rows of files are. `name`
    /// is the input's name in messages.
    #[must_use]
    pub fn batches(name: impl Into<String>, batches: SendableRecordBatchStream) -> Self {
        Self { name: name.into(), source: Source::Batches(batches) }
    }

    /// The input's name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The input's size before decompression, in bytes, if it is known.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match &self.source {
            Source::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            Source::Stdin | Source::Batches(_) => None,
            Source::Bytes(bytes) => Some(bytes.len() as u64),
        }
    }

    /// The metadata of the file or of standard input; `None` for bytes in memory.
    ///
    /// # Errors
    /// `NotFound` when the file does not exist; `Invalid` when it is a folder, or when standard
    /// input is closed; `Unavailable` when the file may not be read.
    fn metadata(&self) -> Result<Option<Metadata>> {
        match &self.source {
            Source::File(path) => {
                let found = look(path).map_err(|error| Error::io(&self.name, error));
                found.map(Some)
            }
            Source::Stdin => stdin::metadata().map(Some),
            Source::Bytes(_) | Source::Batches(_) => Ok(None),
        }
    }

    /// Opens the input for reading rows. `read` counts the bytes taken from the source, before
    /// decompression.
    pub(crate) fn open(
        self,
        format: Option<Format>,
        dataset: &Dataset,
        map: &FieldMap,
        staging: &Staging,
        read: Arc<AtomicU64>,
    ) -> Result<Box<dyn BlockReader>> {
        let name = self.name;
        let fail = |error| Error::io(&name, error);
        let source: Box<dyn Read> = match self.source {
            Source::File(path) => Box::new(File::open(path).map_err(fail)?),
            Source::Stdin => Box::new(io::stdin().lock()),
            Source::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Source::Batches(batches) => {
                return Ok(Box::new(RecordBatchBlocks::of_stream(name, batches, dataset, map)?));
            }
        };
        let counted = BufReader::with_capacity(1 << 20, Counted { source, read });
        let mut reader = decompressed(&name, counted).map_err(fail)?;
        let format = if let Some(format) = format.or_else(|| named_format(&name)) {
            format
        } else {
            let start = peek(&mut reader, SNIFFED_BYTES).map_err(fail)?;
            let format = sniffed_format(&start);
            reader = Box::new(Cursor::new(start).chain(reader));
            format
        };
        Ok(match format {
            Format::Ndjson => Box::new(NdjsonBlocks::new(name, reader)),
            Format::Csv => Box::new(CsvBlocks::try_new(name, reader, dataset, map)?),
            Format::Parquet => {
                // A Parquet file is read from its end, so the input is copied to a file first.
                let staged = format!("input-{}.parquet", uniquely());
                let (_, mut file) = staging.create(&staged)?;
                io::copy(&mut reader, &mut file).map_err(fail)?;
                Box::new(parquet_file::open(name, file, dataset, map)?)
            }
        })
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

fn uniquely() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

struct Counted {
    source: Box<dyn Read>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Checks inputs and rejects file for errors that can be found before anything is read, created
/// or written.
///
/// # Errors
/// `NotFound`, `Invalid` or `Unavailable` when an input can't be read; `Invalid` when bad rows
/// would overwrite an input.
pub(crate) fn check(inputs: &[Input], rejects: &Rejects) -> Result<()> {
    for input in inputs {
        if let Some(file) = input.metadata()? {
            rejects.spare(&file, &format!("{}, which is an input", input.name))?;
        }
    }
    Ok(())
}

fn look(path: &Path) -> io::Result<Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A pipe is not opened: that would wait for its writer, and take its first writer away.
    if metadata.is_file() {
        File::open(path)?;
    }
    Ok(metadata)
}

fn named_format(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "ndjson" | "jsonl" | "json" => Some(Format::Ndjson),
        "csv" => Some(Format::Csv),
        "parquet" => Some(Format::Parquet),
        _ => None,
    }
}

/// Reads the first `bytes` bytes, or all if there are fewer. A single read is not enough: a pipe
/// gives as many bytes at once as were written at once, which may be one.
pub(crate) fn peek(reader: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut start)?;
    Ok(start)
}

fn sniffed_format(start: &[u8]) -> Format {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.starts_with(b"PAR1") {
        Format::Parquet
    } else if text.is_empty() || text.starts_with(b"{") {
        Format::Ndjson
    } else {
        Format::Csv
    }
}
