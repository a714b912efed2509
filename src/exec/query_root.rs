//! The root as one query reads it: tables of a plan that is run again were made for another.

use std::sync::Arc;

use datafusion::{catalog::Session, execution::SessionState};

use crate::store::Root;

/// What a session's configuration holds for one query.
struct AskedRoot(Root);

/// Makes scans that are planned by that session read that root, whose request_counter counts what they ask.
pub(crate) fn set_query_root(state: &mut SessionState, root: &Root) {
    state.config_mut().set_extension(Arc::new(AskedRoot(root.clone())));
}

/// The root that the session's query reads; of a session of somebody else's the table's own.
pub(super) fn query_root(state: &dyn Session, own: &Root) -> Root {
    let asked = state.config().get_extension::<AskedRoot>();
    asked.map_or_else(|| own.clone(), |asked| asked.0.clone())
}
