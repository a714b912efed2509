//! A batch's rows of each day, cut into parts and written as leaves that nobody sees yet.

use std::{path::PathBuf, sync::Arc};

use arrow::{
    array::RecordBatch,
    compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch},
};

use super::spool::{Chunk, Spool, SpoolReader};
use crate::{
    base::{Day, Error, Result},
    model::{BatchId, ContentHash, ContentHasher, Dataset, LeafId},
    store::{FileKind, LeafFooter, Packing, SealedWriter, Staging},
};

/// Rows of a part. Part of the format: a retry must cut where the first attempt cut, or its leaves
/// would hold other rows under the same ids.
const PART_ROWS: usize = 1 << 18;

/// A leaf on disk, not yet visible.
#[derive(Debug)]
pub(super) struct StagedLeaf {
    pub(super) day: Day,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) footer: LeafFooter,
}

/// Writes the parts of one batch.
pub(super) struct PartWriter<'a> {
    pub(super) dataset: &'a Dataset,
    pub(super) staging: &'a Staging,
    pub(super) batch: &'a BatchId,
    /// This run of `append`.
    pub(super) attempt: &'a str,
}

impl PartWriter<'_> {
    /// All parts, by day, and the hash of all rows.
    pub(super) fn write(&self, spool: Spool<'_>) -> Result<(Vec<StagedLeaf>, ContentHash)> {
        let mut leaves = Vec::new();
        let mut content = ContentHasher::default();
        let (days, reader) = spool.into_days();
        for (day, chunks) in days {
            self.write_day(day, chunks, &reader, &mut leaves, &mut content)?;
        }
        Ok((leaves, content.finish()))
    }

    fn write_day(
        &self,
        day: Day,
        chunks: Vec<Chunk>,
        reader: &SpoolReader,
        leaves: &mut Vec<StagedLeaf>,
        content: &mut ContentHasher,
    ) -> Result<()> {
        let mut part = 0;
        let mut held: Vec<RecordBatch> = Vec::new();
        let mut rows = 0;
        for chunk in chunks {
            let mut chunk = reader.read(chunk)?;
            while rows + chunk.num_rows() >= PART_ROWS {
                let room = PART_ROWS - rows;
                held.push(chunk.slice(0, room));
                leaves.push(self.write_part(day, part, &std::mem::take(&mut held), content)?);
                chunk = chunk.slice(room, chunk.num_rows() - room);
                part += 1;
                rows = 0;
            }
            if chunk.num_rows() > 0 {
                rows += chunk.num_rows();
                held.push(chunk);
            }
        }
        if !held.is_empty() {
            leaves.push(self.write_part(day, part, &held, content)?);
        }
        Ok(())
    }

    fn write_part(
        &self,
        day: Day,
        part: u32,
        rows: &[RecordBatch],
        content: &mut ContentHasher,
    ) -> Result<StagedLeaf> {
        let sorted = self.sorted(rows)?;
        let mut hasher = ContentHasher::default();
        hasher.add(&sorted)?;
        content.merge(hasher);
        let id = LeafId::of(self.batch, day, part);
        let (path, file) = self.staging.create(&format!("{id}.parquet"))?;
        let mut writer =
            SealedWriter::try_new(path, file, self.dataset.file_schema(), Packing::Small)?;
        writer.write(&sorted)?;
        let footer = LeafFooter {
            id,
            batch: self.batch.to_string(),
            date: day.to_string(),
            part,
            content: hasher.finish(),
            attempt: self.attempt.to_owned(),
        };
        let (path, bytes) = writer.finish(FileKind::Leaf(footer.clone()))?;
        Ok(StagedLeaf { day, path, bytes, footer })
    }

    fn sorted(&self, rows: &[RecordBatch]) -> Result<RecordBatch> {
        let fail = |error| Error::internal("sorting a part").with_source(error);
        let rows = concat_batches(&self.dataset.file_schema(), rows).map_err(fail)?;
        let keys: Vec<_> = self
            .dataset
            .sort()
            .iter()
            .filter_map(|name| rows.column_by_name(name))
            .map(|values| SortColumn { values: Arc::clone(values), options: None })
            .collect();
        if keys.is_empty() {
            return Ok(rows);
        }
        let order = lexsort_to_indices(&keys, None).map_err(fail)?;
        take_record_batch(&rows, &order).map_err(fail)
    }
}
