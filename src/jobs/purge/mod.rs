//! Purging: the raw rows of old days go, and what rollups need of them stays.

pub(crate) mod day;
pub(crate) mod job;
