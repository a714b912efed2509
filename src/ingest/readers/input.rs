//! Inputs: files, standard input or bytes in memory, compressed or not. Detects their format.

use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, BufRead, BufReader, Cursor, Read},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use datafusion::execution::SendableRecordBatchStream;

use crate::{
    base::{Error, Result},
    ingest::{
        Format, Rejects,
        readers::{
            csv_rows::CsvBlocks,
            decompress::decompressed,
            format::{PARQUET, format_of},
            json_values::JsonValues,
            ndjson_blocks::NdjsonBlocks,
            object_reader::ObjectReader,
            parquet_file,
            reader::BlockReader,
            record_batches::RecordBatchBlocks,
            sample::{self, Sample},
            stdin, text,
        },
        rows::field_map::FieldMap,
    },
    store::{Object, Staging},
};

/// How many bytes are read to detect an input's format. They are enough for blank lines before
/// the first row.
const SNIFFED_BYTES: u64 = 64 << 10;

const ZIP: &[u8] = b"PK\x03\x04";
const SQLITE: &[u8] = b"SQLite format 3\0";

/// An input with rows to append, not yet opened.
pub struct Input {
    name: String,
    origin: Origin,
    /// Whether the user named the folder of the file, or a pattern, and not the file.
    of_folder: bool,
}

enum Origin {
    File(PathBuf),
    Stdin,
    Bytes(Vec<u8>),
    Batches(SendableRecordBatchStream),
    Object(Object),
    /// Standard input or a pipe: the start, which was looked at, and the rest.
    Opened(Vec<u8>, Box<dyn Read + Send>),
}

impl Input {
    /// A file. Its extension decides the format; if the extension is unknown, its first bytes do.
    /// Its first bytes decide the compression.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { name: path.display().to_string(), origin: Origin::File(path), of_folder: false }
    }

    /// Standard input.
    #[must_use]
    pub fn stdin() -> Self {
        Self { name: "stdin".to_owned(), origin: Origin::Stdin, of_folder: false }
    }

    /// An object of an object store.
    pub(crate) fn object(object: Object) -> Self {
        Self { name: object.url.clone(), origin: Origin::Object(object), of_folder: false }
    }

    /// Bytes in memory. `name` is their name in messages. The extension of `name` decides the
    /// format, as for a file.
    #[must_use]
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), origin: Origin::Bytes(bytes.into()), of_folder: false }
    }

    /// Record batches of one schema. Their columns have the names that the fields of a log have.
    /// A batch is read when it is needed, and its rows are checked as the rows of files are. `name`
    /// is the input's name in messages.
    #[must_use]
    pub fn batches(name: impl Into<String>, batches: SendableRecordBatchStream) -> Self {
        Self { name: name.into(), origin: Origin::Batches(batches), of_folder: false }
    }

    /// The input's name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The input's size before decompression, in bytes, if it is known.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match &self.origin {
            Origin::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            Origin::Stdin | Origin::Batches(_) | Origin::Opened(..) => None,
            Origin::Bytes(bytes) => Some(bytes.len() as u64),
            Origin::Object(object) => Some(object.size),
        }
    }

    /// The metadata of the file or of standard input; `None` for bytes in memory.
    ///
    /// # Errors
    /// `NotFound` when the file does not exist; `Invalid` when it is a folder, or when standard
    /// input is closed; `Unavailable` when the file may not be read.
    fn metadata(&self) -> Result<Option<Metadata>> {
        match &self.origin {
            Origin::File(path) => {
                let found = look(path).map_err(|error| Error::io(&self.name, error));
                found.map(Some)
            }
            Origin::Stdin => stdin::metadata().map(Some),
            Origin::Bytes(_) | Origin::Batches(_) | Origin::Object(_) | Origin::Opened(..) => {
                Ok(None)
            }
        }
    }

    /// The first records, as far as they can be read, within the first `bytes` bytes. Reading the
    /// input afterwards starts with them.
    ///
    /// # Errors
    /// `Unavailable` when the input can't be read.
    pub(crate) fn sample(&mut self, format: Option<Format>, bytes: usize) -> Result<Sample> {
        let name = self.name.clone();
        let fail = |error| Error::io(&name, error);
        if let Origin::Stdin = self.origin {
            self.origin = Origin::Opened(Vec::new(), Box::new(io::stdin()));
        }
        // A pipe may be opened once only. Whether it is one shows without opening it.
        if let Origin::File(path) = &self.origin
            && !fs::metadata(path).map_err(fail)?.is_file()
        {
            let file = File::open(path).map_err(fail)?;
            self.origin = Origin::Opened(Vec::new(), Box::new(file));
        }
        let wanted = bytes as u64 + 1;
        let mut start = match &mut self.origin {
            Origin::Batches(_) | Origin::Stdin => Vec::new(),
            Origin::Bytes(all) => all.iter().take(bytes + 1).copied().collect(),
            Origin::Object(object) => {
                peek(&mut ObjectReader::new(object.clone()), wanted).map_err(fail)?
            }
            Origin::File(path) => {
                let mut file = File::open(path).map_err(fail)?;
                let start = peek(&mut file, wanted).map_err(fail)?;
                if start.starts_with(PARQUET) {
                    let records = sample::parquet_records(file);
                    return Ok(Sample { records, is_whole: false });
                }
                start
            }
            Origin::Opened(start, rest) => {
                let more = wanted.saturating_sub(start.len() as u64);
                rest.by_ref().take(more).read_to_end(start).map_err(fail)?;
                start.clone()
            }
        };
        let is_whole = start.len() <= bytes;
        start.truncate(bytes);
        Ok(sample::sample(&self.name, format, &start, is_whole))
    }

    /// This input, as one of a folder or a pattern that the user named.
    #[must_use]
    pub(crate) fn of_a_folder(mut self) -> Self {
        self.of_folder = true;
        self
    }

    /// Whether the user named the folder of the file, or a pattern, and not the file.
    pub(crate) const fn is_of_a_folder(&self) -> bool {
        self.of_folder
    }

    /// What tells the input's file from every other one, for a file on disk.
    #[must_use]
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        let Origin::File(path) = &self.origin else { return None };
        let metadata = fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some((metadata.dev(), metadata.ino()))
    }

    /// Opens the input for reading rows. `read` counts the bytes taken from the origin, before
    /// decompression.
    pub(crate) fn open(
        self,
        format: Option<Format>,
        map: &FieldMap,
        staging: &Staging,
        read: Arc<AtomicU64>,
    ) -> Result<Box<dyn BlockReader>> {
        let name = self.name;
        let fail = |error| Error::io(&name, error);
        let source: Box<dyn Read> = match self.origin {
            Origin::File(path) => Box::new(File::open(path).map_err(fail)?),
            Origin::Stdin => Box::new(io::stdin().lock()),
            Origin::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Origin::Object(object) => Box::new(ObjectReader::new(object)),
            Origin::Opened(start, rest) => Box::new(Cursor::new(start).chain(rest)),
            Origin::Batches(batches) => {
                return Ok(Box::new(RecordBatchBlocks::of_stream(name, batches, map)?));
            }
        };
        let counted = BufReader::with_capacity(1 << 20, Counted { source, read });
        let reader = decompressed(&name, counted).map_err(fail)?;
        let mut reader = text::as_utf8(reader).map_err(fail)?;
        let start = peek(&mut reader, SNIFFED_BYTES).map_err(fail)?;
        if start.starts_with(ZIP) {
            return Err(Error::invalid(format!(
                "{name}: a zip archive can't be read; unpack it first: `unzip -p {name} | tallybook \
                 append --format csv -`, with the format of its files"
            )));
        }
        if start.starts_with(SQLITE) {
            return Err(Error::invalid(format!(
                "{name}: an SQLite database can't be read; export the table with the calls: \
                 `sqlite3 -json {name} 'SELECT * FROM …' | tallybook append --format json -`"
            )));
        }
        let format = format_of(&name, format, &start);
        let delimiter = text::delimiter(&name, &start);
        let mut reader: Box<dyn BufRead> = Box::new(Cursor::new(start).chain(reader));
        Ok(match format {
            Format::Ndjson => Box::new(NdjsonBlocks::new(name, reader)),
            Format::Json => Box::new(JsonValues::new(name, reader)),
            Format::Csv => Box::new(CsvBlocks::try_new(name, reader, delimiter, map)?),
            Format::Parquet => {
                // A Parquet file is read from its end, so the input is copied to a file first.
                let staged = format!("input-{}.parquet", uniquely());
                let (_, mut file) = staging.create(&staged)?;
                io::copy(&mut reader, &mut file).map_err(fail)?;
                Box::new(parquet_file::open(name, file, map)?)
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

/// Reads the first `bytes` bytes, or all if there are fewer. A single read is not enough: a pipe
/// gives as many bytes at once as were written at once, which may be one.
pub(crate) fn peek(reader: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut start)?;
    Ok(start)
}
