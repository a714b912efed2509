//! Gives the rewrite its tables.

use std::sync::Arc;

use datafusion::{datasource::provider_as_source, logical_expr::TableSource};

use crate::{
    exec::{LeafTable, SegmentCache, SegmentTable},
    model::{Dataset, Rollup},
    plan::FileSources,
    store::{Leaf, Root, SegmentFile},
};

/// Tables over files of one root.
pub(super) struct RootSources<'a> {
    pub(super) root: &'a Root,
    pub(super) dataset: &'a Dataset,
    pub(super) cache: &'a Arc<SegmentCache>,
}

impl FileSources for RootSources<'_> {
    fn raw(&self, leaves: &[Arc<Leaf>]) -> Arc<dyn TableSource> {
        let cache = Arc::clone(self.cache);
        provider_as_source(Arc::new(LeafTable::new(self.root, self.dataset, leaves, cache)))
    }

    fn segments(&self, rollup: &Rollup, segments: &[Arc<SegmentFile>]) -> Arc<dyn TableSource> {
        let cache = Arc::clone(self.cache);
        provider_as_source(Arc::new(SegmentTable::new(self.root, rollup, segments, cache)))
    }
}
