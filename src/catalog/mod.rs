//! Floor 3: what a root holds, seen once, and how far each rollup may be trusted.

mod freshness;
mod load;
mod snapshot;

pub(crate) use freshness::{Freshness, freshness};
pub(crate) use load::{Serving, load, load_more};
pub(crate) use snapshot::Snapshot;
