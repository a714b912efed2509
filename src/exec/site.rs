//! Where files are made of others.

use datafusion::prelude::SessionContext;

use crate::{
    model::Dataset,
    store::{Root, Staging},
};

/// What every piece of work on a root needs.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    /// The root.
    pub(crate) root: &'a Root,
    /// Its dataset.
    pub(crate) dataset: &'a Dataset,
    /// A session over it.
    pub(crate) context: &'a SessionContext,
    /// Where files are written before they are visible.
    pub(crate) staging: &'a Staging,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("root", self.root).finish_non_exhaustive()
    }
}
