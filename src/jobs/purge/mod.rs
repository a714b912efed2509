//! Purging: the raw rows of old days are replaced by the rows that each rollup needs.

pub(crate) mod day;
pub(crate) mod job;
