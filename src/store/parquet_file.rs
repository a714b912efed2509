//! Writing a Parquet file that can vouch for itself.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties},
    },
};
use serde::{Deserialize, Serialize};

use super::{FileFooter, FileKind, footer::FOOTER_KEY};
use crate::{
    base::{Error, Result},
    model::FORMAT,
};

/// Rows of a row group: enough to compress well, few enough to skip.
const ROW_GROUP_ROWS: usize = 128 << 10;

/// A number of bytes and their BLAKE3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDigest {
    /// How many bytes, from the file's first.
    pub bytes: u64,
    /// Their BLAKE3 in hex.
    pub blake3: String,
}

impl FileDigest {
    /// The digest of those bytes.
    #[must_use]
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let blake3 = blake3::hash(bytes).to_hex().to_string();
        Self { bytes: bytes.len() as u64, blake3 }
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing {
    /// ZSTD, for many rows that are kept long.
    Small,
    /// LZ4, for few rows that are read often: to set ZSTD up takes longer than to read them.
    Quick,
}

/// Writes batches to a staged Parquet file: page statistics, and a footer with the digest of
/// what comes before it.
#[derive(Debug)]
pub(crate) struct SealedWriter {
    writer: ArrowWriter<HashingFile>,
    path: PathBuf,
}

impl SealedWriter {
    /// A writer of rows in `schema` to an empty file.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn try_new(
        path: PathBuf,
        file: File,
        schema: SchemaRef,
        packing: Packing,
    ) -> Result<Self> {
        let compression = match packing {
            Packing::Small => {
                let level = ZstdLevel::try_new(3).map_err(|error| write_error(&path, error))?;
                Compression::ZSTD(level)
            }
            Packing::Quick => Compression::LZ4_RAW,
        };
        let properties = WriterProperties::builder()
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_created_by(concat!("tallybook ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        // The embedded Arrow schema only serves Arrow readers, and older ones refuse text views.
        let options =
            ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let sink = HashingFile { file, hasher: blake3::Hasher::new(), bytes: 0 };
        let writer = ArrowWriter::try_new_with_options(sink, schema, options)
            .map_err(|error| write_error(&path, error))?;
        Ok(Self { writer, path })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|error| write_error(&self.path, error))
    }

    /// Ends the file, with its account of itself; gives its path and size in bytes.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn finish(mut self, kind: FileKind) -> Result<(PathBuf, u64)> {
        let fail = |error| write_error(&self.path, error);
        self.writer.flush().map_err(fail)?;
        self.writer.sync().map_err(|error| fail(error.into()))?;
        let body = self.writer.inner().digest();
        let footer = FileFooter { format: FORMAT, body, kind };
        let footer = serde_json::to_string(&footer)
            .map_err(|error| Error::internal("footer").with_source(error))?;
        self.writer.append_key_value_metadata(KeyValue::new(FOOTER_KEY.to_owned(), footer));
        let sink = self.writer.into_inner().map_err(fail)?;
        Ok((self.path, sink.bytes))
    }
}

#[derive(Debug)]
struct HashingFile {
    file: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl HashingFile {
    fn digest(&self) -> FileDigest {
        FileDigest { bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() }
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write_error(path: &Path, error: ParquetError) -> Error {
    Error::unavailable(format!("can't write {}: {error}", path.display())).with_source(error)
}
