//! The root as one question reads it: tables of a plan that is run again were made for another.

use std::sync::Arc;

use datafusion::{catalog::Session, execution::SessionState};

use crate::store::Root;

/// What a session's configuration holds for one question.
struct AskedRoot(Root);

/// Makes scans that are planned by that session read that root, whose meter counts what they ask.
pub(crate) fn set_asked_root(state: &mut SessionState, root: &Root) {
    state.config_mut().set_extension(Arc::new(AskedRoot(root.clone())));
}

/// The root that the session's question reads; of a session of somebody else's the table's own.
pub(super) fn asked_root(state: &dyn Session, own: &Root) -> Root {
    let asked = state.config().get_extension::<AskedRoot>();
    asked.map_or_else(|| own.clone(), |asked| asked.0.clone())
}
