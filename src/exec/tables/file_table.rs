//! Tables over exactly the files that a snapshot lists. Such a table never lists files itself.

use std::{fmt, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::ScalarValue,
    datasource::{
        TableType,
        listing::PartitionedFile,
        object_store::ObjectStoreUrl,
        physical_plan::{
            FileGroup, FileScanConfigBuilder, ParquetSource,
            parquet::{DefaultParquetFileReaderFactory, ParquetRowSelection},
        },
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    error::Result,
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};

use crate::{
    base::Day,
    exec::{CountedRows, ROOT_URL, query_root::query_root, tables::reader::NamingReaderFactory},
    model::{Dataset, Leaf, Rollup, SegmentFile},
    store::Root,
};

/// A table over raw leaves or segments of a snapshot.
pub(crate) struct FileTable {
    root: Root,
    schema: TableSchema,
    files: Vec<PartitionedFile>,
    /// The rows that count, if some rows may not.
    counted: Option<Arc<CountedRows>>,
}

impl FileTable {
    /// The rows that count of these leaves, in a table like that of [`of_leaves`](Self::of_leaves).
    /// `of_days` are all leaves that may hold a copy of an event in `leaves`. Rows that meet
    /// `without` are no copies of any row; the caller leaves them out.
    #[must_use]
    pub(crate) fn of_counted(
        root: &Root,
        dataset: &Dataset,
        leaves: &[Arc<Leaf>],
        of_days: &[Arc<Leaf>],
        without: Option<&Expr>,
    ) -> Self {
        let counted = CountedRows::of(dataset, of_days, without);
        Self { counted, ..Self::of_leaves(root, dataset, leaves) }
    }

    /// The raw table, over these leaves only, with all of their rows. Its columns are the
    /// dataset's, and `date` from the leaf's folder.
    #[must_use]
    pub(crate) fn of_leaves(root: &Root, dataset: &Dataset, leaves: &[Arc<Leaf>]) -> Self {
        let schema = TableSchema::builder(dataset.query_file_schema())
            .with_table_partition_cols(vec![Arc::new(Dataset::date_field())])
            .build();
        let files = leaves.iter().map(|leaf| {
            let date = |day: Day| ScalarValue::Date32(Some(day.epoch_days()));
            PartitionedFile::new_from_meta(leaf.file.clone())
                .with_partition_values(vec![date(leaf.day)])
        });
        Self { root: root.clone(), schema, files: files.collect(), counted: None }
    }

    /// A rollup's rows, from these segments only.
    #[must_use]
    pub(crate) fn of_segments(root: &Root, rollup: &Rollup, segments: &[Arc<SegmentFile>]) -> Self {
        Self::with_schema(root, rollup.segment_schema(), segments)
    }

    /// The rows of these segments only, all of which have the schema `schema`.
    pub(crate) fn with_schema(
        root: &Root,
        schema: SchemaRef,
        segments: &[Arc<SegmentFile>],
    ) -> Self {
        let files = segments.iter();
        let files = files.map(|segment| PartitionedFile::new_from_meta(segment.file.clone()));
        let (root, schema) = (root.clone(), TableSchema::from(schema));
        Self { root, schema, files: files.collect(), counted: None }
    }

    /// The root, with the request counter of the query that scans the table.
    pub(crate) fn root(&self, state: &dyn Session) -> Root {
        query_root(state, &self.root)
    }

    /// The total size of the table's files, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.object_meta.size).sum()
    }

    /// Divides the files into at most `streams_max` streams of about as many bytes each.
    /// Neighbouring files share a stream.
    fn streams(&self, files: Vec<PartitionedFile>, streams_max: usize) -> Vec<FileGroup> {
        let share = (self.bytes() / streams_max.max(1) as u64).max(1);
        let mut groups = vec![Vec::new()];
        let mut bytes = 0;
        for file in files {
            if bytes >= share && groups.len() < streams_max {
                groups.push(Vec::new());
                bytes = 0;
            }
            bytes += file.object_meta.size;
            if let Some(group) = groups.last_mut() {
                group.push(file);
            }
        }
        groups.into_iter().map(FileGroup::new).collect()
    }

    /// The files, each with the rows to read of it.
    async fn selected(&self, state: &dyn Session, root: &Root) -> Result<Vec<PartitionedFile>> {
        let Some(counted) = &self.counted else { return Ok(self.files.clone()) };
        let selections = counted.selections(state, root).await?;
        let files = self.files.iter().cloned();
        let files = files.map(|file| match selections.get(file.path()).cloned() {
            None => file,
            Some(rows) => file.with_extension(ParquetRowSelection::new(rows)),
        });
        Ok(files.collect())
    }
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable").field("files", &self.files.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pruning(filters))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                None => self.schema(),
                Some(columns) => Arc::new(Schema::project(&self.schema(), columns)?),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let root = self.root(state);
        let files = self.selected(state, &root).await?;
        let readers = NamingReaderFactory {
            inner: DefaultParquetFileReaderFactory::new(root.store()),
            root,
            cache,
            schema: Arc::clone(self.schema.file_schema()),
        };
        let source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_parquet_file_reader_factory(Arc::new(readers));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(ROOT_URL)?, Arc::new(source))
            .with_file_groups(self.streams(files, state.config().target_partitions()))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Marks every filter as inexact: filters only save reading. DataFusion applies them again above
/// the scan.
pub(crate) fn pruning(filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
    vec![TableProviderFilterPushDown::Inexact; filters.len()]
}
