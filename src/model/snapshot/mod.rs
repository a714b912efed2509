//! One listing of a root: which leaves are live, and how far each rollup serves each day.

mod freshness;
mod listing;

pub(crate) use freshness::{EventProofs, Freshness, freshness};
pub(crate) use listing::Snapshot;
