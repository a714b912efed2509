//! The environment of every job.

use datafusion::prelude::SessionContext;

use crate::{
    base::{Clock, Result, Settings, Span},
    model::{Dataset, Snapshot},
    store::{Root, RootDefinitions, Serving, Staging, load},
};

/// The root, the dataset and the tools that every job works with.
#[derive(Clone, Copy)]
pub(crate) struct JobContext<'a> {
    /// The root.
    pub(crate) root: &'a Root,
    /// The root's dataset.
    pub(crate) dataset: &'a Dataset,
    /// The root's definitions when the root was opened.
    pub(crate) definitions: &'a RootDefinitions,
    /// Limits on memory and on concurrent work.
    pub(crate) settings: &'a Settings,
    /// The clock that says which day it is.
    pub(crate) clock: &'a dyn Clock,
    /// A session over the root.
    pub(crate) session: &'a SessionContext,
    /// The place where files are written before they become visible.
    pub(crate) staging: &'a Staging,
}

impl JobContext<'_> {
    /// The root's content in `span`, by day: the leaves, and how far each rollup serves them.
    ///
    /// # Errors
    /// `Unavailable` when the store can't be listed.
    pub(crate) async fn snapshot(&self, span: Span) -> Result<Snapshot> {
        load(self.root, span, self.dataset.all_rollups(), Serving::Days).await
    }
}

impl std::fmt::Debug for JobContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobContext").field("root", self.root).finish_non_exhaustive()
    }
}
