//! Writing a segment: its rows to a staged file, then the file to its name.

use std::{path::PathBuf, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use object_store::path::Path;

use super::{Creation, FileKind, Packing, Root, SealedWriter, Staging, create_file, read_footer};
use crate::{
    base::{Error, Result, step},
    model::Rollup,
};

/// A segment that nobody sees yet.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    writer: SealedWriter,
    schema: SchemaRef,
    rows: u64,
}

impl SegmentWriter {
    /// A segment of that rollup without rows. The name is of a staged file, and nobody else's.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn try_new(staging: &Staging, rollup: &Rollup, name: &str) -> Result<Self> {
        let schema = rollup.segment_schema();
        let (path, file) = staging.create(&format!("{}-{name}.parquet", rollup.name()))?;
        let writer = SealedWriter::try_new(path, file, Arc::clone(&schema), Packing::Quick)?;
        Ok(Self { writer, schema, rows: 0 })
    }

    /// Appends rows, in the segment's order. Columns behind the segment's own are left out.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses; `Internal` for rows of another schema.
    pub(crate) async fn write(mut self, rows: &RecordBatch) -> Result<Self> {
        let columns = rows.columns().iter().take(self.schema.fields().len()).cloned().collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal("segment rows").with_source(error))?;
        self.rows += rows.num_rows() as u64;
        encode(move || self.writer.write(&rows).map(|()| self)).await
    }

    /// How many rows it has.
    #[must_use]
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes it visible by that name, or finds that another builder had; gives its size, too.
    ///
    /// # Errors
    /// `Corrupt` when what is there by that name is another segment, `Unavailable` when disk or
    /// store refuse.
    pub(crate) async fn publish(
        self,
        root: &Root,
        target: &Path,
        kind: FileKind,
    ) -> Result<(Creation, u64)> {
        let (writer, written) = (self.writer, kind.clone());
        let (path, bytes): (PathBuf, u64) = encode(move || writer.finish(written)).await?;
        // Another builder's segment of the same leaves holds the same rows.
        let judge = || async {
            match read_footer(root, target).await? {
                None => Ok(None),
                Some(found) if found.kind == kind => Ok(Some(Creation::Same)),
                Some(_) => Err(Error::corrupt(format!(
                    "{}: is not the segment that its name says",
                    root.full_name(target)
                ))),
            }
        };
        step("segment: written");
        let creation = create_file(root, target, &path, judge).await?;
        step("segment: created");
        drop(std::fs::remove_file(path));
        Ok((creation, bytes))
    }
}

/// Encoding keeps a core busy: on a thread of its own, so that other days are built beside it.
async fn encode<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("encoding").with_source(error))?
}
