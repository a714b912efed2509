//! A query: prepared, planned over one snapshot, run within its limits.

pub(super) mod answer;
pub(super) mod limits;
pub(super) mod plan_cache;
pub(super) mod run;
pub(super) mod sources;
pub(super) mod sql;
