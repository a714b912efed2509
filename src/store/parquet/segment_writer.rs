//! Writing a segment: rows are written to a staged file, then the file is made visible.

use std::{path::PathBuf, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use object_store::path::Path;

use crate::{
    base::{Error, ErrorKind, Result, failpoint},
    model::Rollup,
    store::{
        ChecksummedWriter, Creation, FileCheck, FileKind, Packing, Root, Staging, check_file,
        create_file, delete_file,
    },
};

/// A segment in a staged file, not visible yet.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    writer: ChecksummedWriter,
    schema: SchemaRef,
    rows: u64,
}

impl SegmentWriter {
    /// Begins a segment of the rollup without rows. `name` becomes part of the staged file's
    /// name.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) fn try_new(staging: &Staging, rollup: &Rollup, name: &str) -> Result<Self> {
        let schema = rollup.segment_schema();
        let (path, file) = staging.create(&format!("{}-{name}.parquet", rollup.name()))?;
        let writer = ChecksummedWriter::try_new(path, file, Arc::clone(&schema), Packing::Quick)?;
        Ok(Self { writer, schema, rows: 0 })
    }

    /// Appends rows. The rows must be in the segment's order. Columns behind the segment's own
    /// columns are left out.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses; `Internal` when the rows have another schema.
    pub(crate) async fn write(mut self, rows: &RecordBatch) -> Result<Self> {
        let columns = rows.columns().iter().take(self.schema.fields().len()).cloned().collect();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|error| Error::internal("segment rows").with_source(error))?;
        self.rows += rows.num_rows() as u64;
        encode(move || self.writer.write(&rows).map(|()| self)).await
    }

    /// The number of rows written so far.
    #[must_use]
    pub(crate) const fn rows(&self) -> u64 {
        self.rows
    }

    /// Finishes the staged file. Gives its path and its size in bytes.
    ///
    /// # Errors
    /// `Unavailable` when the disk refuses.
    pub(crate) async fn finish(self, kind: FileKind) -> Result<(PathBuf, u64)> {
        encode(move || self.writer.finish(kind)).await
    }

    /// Makes the segment visible at `target`, or finds the same segment there from another
    /// builder. A damaged or different file at `target` is replaced. Gives which of the two
    /// happened, and the size in bytes.
    ///
    /// # Errors
    /// `Unavailable` when the disk or the store refuses; any other error from the store.
    pub(crate) async fn publish(
        self,
        root: &Root,
        target: &Path,
        kind: FileKind,
    ) -> Result<(Creation, u64)> {
        let of_month = matches!(kind, FileKind::Month(_));
        let (path, bytes) = self.finish(kind.clone()).await?;
        // Another builder's segment of the same leaves has the same rows.
        let read_back = || async {
            let Some(there) = root.look(target).await? else { return Ok(None) };
            match check_file(root, &there).await? {
                FileCheck::Intact { footer, .. } if is_same(&footer.kind, &kind) => {
                    Ok(Some(Creation::Same))
                }
                // A hint is nobody's last copy, so a damaged hint can be deleted.
                _ => {
                    delete_file(root, target).await?;
                    Ok(None)
                }
            }
        };
        failpoint("rollup.snapshot");
        let mut creation = create_file(root, target, &path, &read_back).await;
        if creation.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable)
            && read_back().await?.is_none()
        {
            creation = create_file(root, target, &path, &read_back).await;
        }
        let creation = creation?;
        if of_month {
            failpoint("rollup.month");
        } else {
            failpoint("rollup.segment");
        }
        drop(std::fs::remove_file(path));
        Ok((creation, bytes))
    }
}

/// Whether two segments have the same rows, even if different builders wrote them.
fn is_same(one: &FileKind, other: &FileKind) -> bool {
    match (one, other) {
        (FileKind::Segment(one), FileKind::Segment(other)) => {
            (&one.definition, &one.date, &one.fingerprint, one.rows_out)
                == (&other.definition, &other.date, &other.fingerprint, other.rows_out)
        }
        (FileKind::Month(one), FileKind::Month(other)) => {
            (&one.definition, &one.month, &one.fingerprint, one.rows_out)
                == (&other.definition, &other.month, &other.fingerprint, other.rows_out)
        }
        _ => false,
    }
}

/// Encoding occupies a core, so it runs on its own thread and other days are built concurrently.
async fn encode<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::internal("encoding").with_source(error))?
}
