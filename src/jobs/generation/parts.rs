//! Writes sorted raw rows to compacted files of a bounded number of rows.

use std::{path::PathBuf, sync::Arc};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::next::Generation;
use crate::{
    base::{Day, Error, Result},
    jobs::JobContext,
    model::{Absorbed, ContentHash, ContentHasher, Dataset, EventProof, LeafId, ManifestFile},
    store::{
        ChecksummedWriter, CompactedFooter, FileKind, Packing, SetFooter, compacted_name,
        distinct_texts, raw_path,
    },
};

/// Rows at which a file is full. A large day is still read in parallel, and most days are one
/// file.
const PART_ROWS: u64 = 1 << 20;

/// The compacted files of one generation while they are written.
pub(crate) struct Parts<'a> {
    context: JobContext<'a>,
    dataset: Arc<Dataset>,
    day: Day,
    generation: &'a Generation<'a>,
    /// What is proven about the events in the files.
    events: Option<EventProof>,
    open: Option<OpenPart>,
    done: Vec<ManifestFile>,
    content: ContentHasher,
}

struct OpenPart {
    writer: ChecksummedWriter,
    content: ContentHasher,
    rows: u64,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(
        context: JobContext<'a>,
        day: Day,
        generation: &'a Generation<'a>,
        events: Option<EventProof>,
    ) -> Self {
        Self {
            context,
            dataset: Arc::new(context.dataset.clone()),
            day,
            generation,
            events,
            open: None,
            done: Vec::new(),
            content: ContentHasher::new(),
        }
    }

    /// Adds rows in the dataset's file schema.
    pub(crate) async fn write(&mut self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let open = match self.open.take() {
            // A full file is closed only when more rows come: the last file has a different
            // footer.
            Some(full) if full.rows >= PART_ROWS => {
                self.close(full, None).await?;
                self.open(&rows)?
            }
            Some(open) => open,
            None => self.open(&rows)?,
        };
        self.open = Some(open.add(Arc::clone(&self.dataset), rows).await?);
        Ok(())
    }

    /// Closes the last file. Gives all files, at least one, and the hash of their rows. The
    /// footer of the last file lists everything that the generation absorbs.
    pub(crate) async fn finish(
        mut self,
        taken: &[Absorbed],
        marks: &[LeafId],
    ) -> Result<(Vec<ManifestFile>, ContentHash)> {
        let last = match self.open.take() {
            Some(open) => open,
            None => self.open(&RecordBatch::new_empty(self.context.dataset.file_schema()))?,
        };
        let mut content = self.content;
        content.merge(last.content);
        let set = SetFooter {
            files: self.done.len() + 1,
            from: self.generation.previous_number(),
            absorbed: self.generation.absorbed(taken),
            marks: self.generation.marks(marks),
            content: content.finish(),
        };
        let content = set.content.clone();
        self.close(last, Some(set)).await?;
        Ok((self.done, content))
    }

    fn name(&self) -> String {
        compacted_name(self.generation.number, &self.generation.attempt, self.done.len())
    }

    fn open(&self, first: &RecordBatch) -> Result<OpenPart> {
        let (path, file): (PathBuf, _) = self.context.staging.create(&self.name())?;
        let distinct = distinct_texts(first);
        let packing = Packing::Small { distinct: &distinct };
        let schema = self.context.dataset.file_schema();
        let writer = ChecksummedWriter::try_new(path, file, schema, packing)?;
        Ok(OpenPart { writer, content: ContentHasher::new(), rows: 0 })
    }

    async fn close(&mut self, open: OpenPart, set: Option<SetFooter>) -> Result<()> {
        let root = self.context.root;
        self.content.merge(open.content);
        let (name, rows) = (self.name(), open.rows);
        let footer = FileKind::Compacted(CompactedFooter {
            date: self.day.to_string(),
            generation: self.generation.number,
            attempt: self.generation.attempt.clone(),
            content: open.content.finish(),
            part: self.done.len(),
            events: self.events.clone(),
            set,
        });
        let (path, _) = open.writer.finish(footer.clone())?;
        let (file, there) = self.generation.create(name, rows, &path, &footer).await?;
        let dataset = Arc::clone(&self.dataset);
        let read = tokio::task::spawn_blocking(move || content_of(&dataset, there));
        let read = read.await.map_err(|error| Error::internal("reading").with_source(error))??;
        if read != open.content.finish() {
            let name = root.full_name(&raw_path(self.day, &file.name));
            return Err(Error::corrupt(format!("{name}: its rows read back as {read}")));
        }
        self.done.push(file);
        Ok(())
    }
}

impl OpenPart {
    async fn add(mut self, dataset: Arc<Dataset>, rows: RecordBatch) -> Result<Self> {
        // Encoding occupies a core, so it runs on a thread of its own.
        let encoded = tokio::task::spawn_blocking(move || {
            self.content.add(&dataset, &rows)?;
            self.rows += rows.num_rows() as u64;
            self.writer.write(&rows)?;
            Ok(self)
        });
        encoded.await.map_err(|error| Error::internal("encoding").with_source(error))?
    }
}

/// Decodes a file and hashes its rows.
fn content_of(dataset: &Dataset, file: Bytes) -> Result<ContentHash> {
    let fail = |error| Error::corrupt(format!("what was written: {error}"));
    let options = ArrowReaderOptions::new().with_schema(dataset.file_schema());
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|error| fail(error.to_string()))?
        .build()
        .map_err(|error| fail(error.to_string()))?;
    let mut content = ContentHasher::new();
    for rows in reader {
        content.add(dataset, &rows.map_err(|error| fail(error.to_string()))?)?;
    }
    Ok(content.finish())
}
