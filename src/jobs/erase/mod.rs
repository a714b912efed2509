//! Erasing rows: first the fence, then day by day, then the rollups of those days anew.

pub(crate) mod day;
pub(crate) mod fence;
pub(crate) mod job;
