//! The tables that the rewrite puts into plans.

use std::sync::Arc;

use datafusion::{datasource::provider_as_source, logical_expr::TableSource};

use crate::{
    exec::{LeafTable, SegmentCache, SegmentTable},
    model::{Dataset, Leaf, Rollup, SegmentFile},
    plan::FileSources,
    store::Root,
};

/// Makes tables over files of one root.
pub(crate) struct RootSources<'a> {
    pub(crate) root: &'a Root,
    pub(crate) dataset: &'a Dataset,
    pub(crate) cache: &'a Arc<SegmentCache>,
}

impl FileSources for RootSources<'_> {
    fn raw(&self, leaves: &[Arc<Leaf>], of_days: &[Arc<Leaf>]) -> Arc<dyn TableSource> {
        let cache = Arc::clone(self.cache);
        let table = LeafTable::new(self.root, self.dataset, leaves, of_days, cache);
        provider_as_source(Arc::new(table))
    }

    fn segments(&self, rollup: &Rollup, segments: &[Arc<SegmentFile>]) -> Arc<dyn TableSource> {
        let cache = Arc::clone(self.cache);
        provider_as_source(Arc::new(SegmentTable::new(self.root, rollup, segments, cache)))
    }
}
