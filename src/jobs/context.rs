//! What every job works with.

use datafusion::prelude::SessionContext;

use crate::{
    base::{Clock, Result, Settings, Span},
    model::{Dataset, Snapshot},
    store::{Root, RootDefinitions, Serving, Staging, load},
};

/// What every job works with.
#[derive(Clone, Copy)]
pub(crate) struct JobContext<'a> {
    /// The root.
    pub(crate) root: &'a Root,
    /// Its dataset.
    pub(crate) dataset: &'a Dataset,
    /// Its definitions, as they were when it was opened.
    pub(crate) definitions: &'a RootDefinitions,
    /// Limits of memory and of work at once.
    pub(crate) settings: &'a Settings,
    /// Which day it is.
    pub(crate) clock: &'a dyn Clock,
    /// A session over the root.
    pub(crate) session: &'a SessionContext,
    /// Where files are written before they are visible.
    pub(crate) staging: &'a Staging,
}

impl JobContext<'_> {
    /// What the root holds of that span, by day: the leaves, and how far each rollup serves them.
    ///
    /// # Errors
    /// What listing meets.
    pub(crate) async fn snapshot(&self, span: Span) -> Result<Snapshot> {
        load(self.root, span, self.dataset.all_rollups(), Serving::Days).await
    }
}

impl std::fmt::Debug for JobContext<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobContext").field("root", self.root).finish_non_exhaustive()
    }
}
