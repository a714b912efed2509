//! Caches in memory and on disk: content that never changes, and listings that may lag.

mod bounded;
pub(super) mod disk;
pub(super) mod listings;
pub(super) mod metadata;

pub(crate) use bounded::bounded;
