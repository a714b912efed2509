//! The root as one query reads it. A plan can run again for another query. The plan's tables then
//! still hold the root of the query that they were made for.

use std::sync::Arc;

use datafusion::{catalog::Session, execution::SessionState};

use crate::store::Root;

/// The query's root, as an extension of the session's configuration.
struct QueryRoot(Root);

/// Makes scans that this session plans read `root`. The root's request counter counts their
/// requests.
pub(crate) fn set_query_root(state: &mut SessionState, root: &Root) {
    state.config_mut().set_extension(Arc::new(QueryRoot(root.clone())));
}

/// The root that the session's query reads. Somebody else's session has no such root, so the
/// table's `own` root is returned for it.
pub(super) fn query_root(state: &dyn Session, own: &Root) -> Root {
    let asked = state.config().get_extension::<QueryRoot>();
    asked.map_or_else(|| own.clone(), |asked| asked.0.clone())
}
