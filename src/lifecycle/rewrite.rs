//! A day's raw rows written anew: into a few files, perhaps without some rows, under the day's next
//! manifest.
//!
//! ```text
//! leaves ─ read ─ sort ─ write files that nobody counts yet ─ read them back ─ manifest
//!            └ hash, against what the leaves say of themselves     └ hash
//! ```
//!
//! The manifest is the only step that changes what counts, and whoever creates that generation
//! first wins. Leaves, and what a loser or a crash leaves behind, are deleted much later.

use std::sync::Arc;

use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch},
    compute::{cast, filter_record_batch},
};
use datafusion::logical_expr::{Expr, ident, lit};
use futures::StreamExt as _;

use super::parts::{Part, Parts};
use crate::{
    base::{Error, Result, step},
    exec::{FileTable, Site, engine_error},
    model::{
        ContentHash, ContentHasher, Dataset, LeafId, MANIFEST_FORMAT, Manifest, ManifestFile,
        ManifestState, sorted_ids,
    },
    store::{
        Leaf, LeafDay, LeafKind, create_manifest, delete_file, leaf_ids, name_damage, read_account,
    },
};

/// A day that was rewritten.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// The files that hold its rows now.
    pub(crate) files: usize,
    /// Their rows.
    pub(crate) rows: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// What one rewriting is to do.
pub(super) struct Rewrite<'a> {
    pub(super) site: Site<'a>,
    pub(super) live: &'a LeafDay,
    /// The leaves whose rows it takes in.
    pub(super) leaves: Vec<Arc<Leaf>>,
    /// The rows that it leaves out, if any. What was built of the day before is then of other
    /// leaves.
    pub(super) without: Option<&'a Expr>,
}

impl Rewrite<'_> {
    /// Writes the rows and makes them what counts; `None` when somebody else changed the day
    /// meanwhile, and nothing was done.
    ///
    /// # Errors
    /// `Corrupt` when the rows aren't those that the leaves were written with, or don't read back;
    /// `Unavailable` when disk or store refuse. Nothing changed then, unless the store's last
    /// answer was lost.
    pub(super) async fn run(self) -> Result<Option<Rewritten>> {
        let root = self.site.root;
        let attempt = format!("{:016x}", rand::random::<u64>());
        let generation = self.live.base.as_ref().map_or(0, |base| base.generation) + 1;
        let (parts, content) = Box::pin(self.write(generation, &attempt)).await?;
        step("rewrite: files written");
        let read = self.read_back(&parts).await?;
        if read != content {
            let day = self.live.day;
            return Err(Error::corrupt(format!(
                "{day}: what was written reads back as {read} instead of {content}"
            )));
        }
        let mark = self.without.map(|_| LeafId::of_erasure(&attempt, self.live.day));
        let manifest = Manifest {
            format: MANIFEST_FORMAT,
            generation,
            date: self.live.day.to_string(),
            attempt,
            state: ManifestState::Open,
            leaves: self.accounted_for(mark).await?,
            files: parts.iter().map(Part::named).collect::<Vec<ManifestFile>>(),
            content,
            segments: Vec::new(),
        };
        step("rewrite: files read back");
        if !create_manifest(root, self.site.staging, self.live.day, &manifest).await? {
            for part in &parts {
                delete_file(root, &part.file.location).await?;
            }
            return Ok(None);
        }
        step("rewrite: manifest created");
        Ok(Some(Rewritten {
            files: parts.len(),
            rows: manifest.content.rows,
            bytes: parts.iter().map(|part| part.file.size).sum(),
        }))
    }

    /// What was accounted for before, and the leaves that are taken in.
    async fn accounted_for(&self, mark: Option<LeafId>) -> Result<Vec<LeafId>> {
        let stays = |id: &LeafId| {
            let mut loose = self.live.loose();
            let taken = |leaf: &Leaf| self.leaves.iter().any(|taken| taken.id == leaf.id);
            !loose.any(|leaf| leaf.id == *id && !taken(leaf))
        };
        let ids = leaf_ids(self.site.root, self.live).await?;
        Ok(sorted_ids(ids.into_iter().filter(stays).chain(mark)))
    }

    /// The files, which nobody counts yet, and the hash of their rows.
    async fn write(&self, generation: u32, attempt: &str) -> Result<(Vec<Part>, ContentHash)> {
        let Site { root, dataset, staging, .. } = self.site;
        let expected = self.expected().await?;
        let columns = dataset.columns().iter().map(|column| ident(&column.name));
        let kept = match self.without {
            None => lit(true),
            Some(predicate) => predicate.clone().is_not_true(),
        };
        let order = dataset.sort().iter().map(|name| ident(name).sort(true, true)).collect();
        let table = FileTable::of_leaves(root, dataset, &self.leaves);
        let rows = self
            .site
            .context
            .read_table(Arc::new(table))
            .and_then(|rows| rows.select(columns.chain([kept.alias(KEPT)]).collect::<Vec<_>>()))
            .and_then(|rows| rows.sort(order))
            .map_err(engine_error)?;
        let mut rows = rows.execute_stream().await.map_err(engine_error)?;
        let mut parts = Parts::new(root, dataset, staging, self.live.day, generation, attempt);
        let mut read = ContentHasher::default();
        while let Some(batch) = rows.next().await {
            let batch = match batch.map_err(engine_error) {
                Ok(batch) => batch,
                Err(error) => {
                    let files = self.leaves.iter().map(|leaf| &leaf.file);
                    return Err(name_damage(root, error, files).await);
                }
            };
            let (rows, kept) = typed(dataset, &batch)?;
            read.add(&rows)?;
            parts.write(kept).await?;
        }
        if let Some(expected) = expected
            && expected != read.finish()
        {
            return Err(Error::corrupt(format!(
                "{}: the rows read are {}, and those appended were {expected}; nothing was changed. \
                 `verify` finds the file",
                self.live.day,
                read.finish()
            )));
        }
        parts.finish().await
    }

    /// The hash of the rows that the leaves were written with; `None` if one of them, another
    /// tool's, doesn't say.
    async fn expected(&self) -> Result<Option<ContentHash>> {
        let mut sum = ContentHasher::default();
        for leaf in &self.leaves {
            if leaf.kind == LeafKind::Foreign {
                return Ok(None);
            }
            let account = read_account(self.site.root, &leaf.file).await?;
            let content = account.content().ok_or_else(|| {
                let name = self.site.root.full_name(&leaf.file.location);
                Error::corrupt(format!("{name}: holds no raw rows"))
            })?;
            sum.add_hashed(content)?;
        }
        Ok(Some(sum.finish()))
    }

    /// The hash of the rows as they are in the store now.
    async fn read_back(&self, parts: &[Part]) -> Result<ContentHash> {
        let Site { root, dataset, context, .. } = self.site;
        let leaves: Vec<_> = parts.iter().map(|part| Arc::new(part.leaf(self.live.day))).collect();
        let mut read = ContentHasher::default();
        let rows = context.read_table(Arc::new(FileTable::of_leaves(root, dataset, &leaves)));
        let columns = dataset.columns().iter().map(|column| ident(&column.name));
        let columns = columns.chain([lit(true).alias(KEPT)]).collect::<Vec<_>>();
        let rows = rows.and_then(|rows| rows.select(columns)).map_err(engine_error)?;
        let mut rows = rows.execute_stream().await.map_err(engine_error)?;
        while let Some(batch) = rows.next().await {
            read.add(&typed(dataset, &batch.map_err(engine_error)?)?.0)?;
        }
        Ok(read.finish())
    }
}

/// The column behind the dataset's own that says whether a row stays.
const KEPT: &str = "tallybook_kept";

/// A batch as files have it: all of its rows, and those that stay.
fn typed(dataset: &Dataset, batch: &RecordBatch) -> Result<(RecordBatch, RecordBatch)> {
    let fail = |error| Error::internal("raw rows").with_source(error);
    let schema = dataset.file_schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| cast(column, field.data_type()));
    let rows = columns
        .collect::<Result<Vec<_>, _>>()
        .and_then(|columns| RecordBatch::try_new(schema, columns))
        .map_err(fail)?;
    let kept: Option<&BooleanArray> =
        batch.column_by_name(KEPT).and_then(|column| column.as_boolean_opt());
    let kept = kept.ok_or_else(|| Error::internal(format!("no column {KEPT}")))?;
    let kept = filter_record_batch(&rows, kept).map_err(fail)?;
    Ok((rows, kept))
}
