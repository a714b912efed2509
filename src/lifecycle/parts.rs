//! Sorted raw rows to compacted files of a bounded number of rows.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use object_store::ObjectMeta;

use crate::{
    base::{Day, Error, Result, step},
    model::{ContentHash, ContentHasher, Dataset, LeafId, ManifestFile},
    store::{
        CompactedFooter, Creation, FileKind, Leaf, LeafKind, Packing, Root, SealedWriter, Staging,
        compacted_name, create_file, distinct_texts, raw_path, read_footer,
    },
};

/// Rows of a file: a large day is still read in parallel, and most days are one file.
const PART_ROWS: u64 = 1 << 20;

/// A file that was written.
#[derive(Clone, Debug)]
pub(super) struct Part {
    name: String,
    pub(super) file: ObjectMeta,
    rows: u64,
}

impl Part {
    /// What a manifest says of it.
    pub(super) fn named(&self) -> ManifestFile {
        ManifestFile { name: self.name.clone(), bytes: self.file.size, rows: self.rows }
    }

    /// The file as what to read of its day.
    pub(super) fn leaf(&self, day: Day) -> Leaf {
        let id = LeafId::of_compacted(self.file.location.as_ref());
        Leaf { id, day, kind: LeafKind::Compacted, file: self.file.clone() }
    }
}

/// Files under way.
pub(super) struct Parts<'a> {
    root: &'a Root,
    dataset: &'a Dataset,
    staging: &'a Staging,
    day: Day,
    generation: u32,
    attempt: &'a str,
    open: Option<OpenPart>,
    done: Vec<Part>,
    content: ContentHasher,
}

struct OpenPart {
    writer: SealedWriter,
    content: ContentHasher,
    rows: u64,
}

impl<'a> Parts<'a> {
    pub(super) fn new(
        root: &'a Root,
        dataset: &'a Dataset,
        staging: &'a Staging,
        day: Day,
        generation: u32,
        attempt: &'a str,
    ) -> Self {
        Self {
            root,
            dataset,
            staging,
            day,
            generation,
            attempt,
            open: None,
            done: Vec::new(),
            content: ContentHasher::new(),
        }
    }

    /// Adds rows in the dataset's file schema.
    pub(super) async fn write(&mut self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open(&rows)?,
        };
        // Encoding keeps a core busy: on a thread of its own.
        let encoded = tokio::task::spawn_blocking(move || {
            open.content.add(&rows)?;
            open.rows += rows.num_rows() as u64;
            open.writer.write(&rows)?;
            Ok::<_, Error>(open)
        });
        let open =
            encoded.await.map_err(|error| Error::internal("encoding").with_source(error))??;
        if open.rows >= PART_ROWS {
            return self.close(open).await;
        }
        self.open = Some(open);
        Ok(())
    }

    /// All files, and the hash of their rows.
    pub(super) async fn finish(mut self) -> Result<(Vec<Part>, ContentHash)> {
        if let Some(open) = self.open.take() {
            self.close(open).await?;
        }
        Ok((self.done, self.content.finish()))
    }

    fn name(&self) -> String {
        compacted_name(self.generation, self.attempt, self.done.len())
    }

    fn open(&self, first: &RecordBatch) -> Result<OpenPart> {
        let (path, file): (PathBuf, _) = self.staging.create(&self.name())?;
        let distinct = distinct_texts(first);
        let packing = Packing::Small { distinct: &distinct };
        let writer = SealedWriter::try_new(path, file, self.dataset.file_schema(), packing)?;
        Ok(OpenPart { writer, content: ContentHasher::new(), rows: 0 })
    }

    async fn close(&mut self, open: OpenPart) -> Result<()> {
        self.content.merge(open.content);
        let name = self.name();
        let footer = FileKind::Compacted(CompactedFooter {
            date: self.day.to_string(),
            generation: self.generation,
            attempt: self.attempt.to_owned(),
            content: open.content.finish(),
        });
        let (path, size) = open.writer.finish(footer.clone())?;
        let location = raw_path(self.day, &name);
        let judge = || async {
            let Some(found) = read_footer(self.root, &location).await? else { return Ok(None) };
            if found.kind == footer {
                return Ok(Some(Creation::New));
            }
            let name = self.root.full_name(&location);
            Err(Error::conflict(format!("{name}: is there with other rows")))
        };
        create_file(self.root, &location, &path, judge).await?;
        step("rewrite: file created");
        drop(std::fs::remove_file(path));
        let file = self.root.look(&location).await?.ok_or_else(|| {
            Error::corrupt(format!("{}: is gone again", self.root.full_name(&location)))
        })?;
        if file.size != size {
            let name = self.root.full_name(&location);
            return Err(Error::corrupt(format!("{name}: has {} bytes, not {size}", file.size)));
        }
        self.done.push(Part { name, file, rows: open.rows });
        Ok(())
    }
}
