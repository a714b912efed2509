//! Purging: the raw rows of old days are replaced by the rows that each rollup needs.

pub(crate) mod day;
mod events;
pub(crate) mod job;
pub(crate) mod remains;
