//! Queries: preparing, planning over one snapshot, running within limits.

pub(super) mod answer;
pub(super) mod limits;
pub(super) mod plan_cache;
pub(super) mod request;
pub(super) mod run;
pub(super) mod sources;
pub(super) mod sql;
