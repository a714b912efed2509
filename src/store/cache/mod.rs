//! What was read once and never changes, in memory and on disk; and listings that may lag.

pub(super) mod disk;
pub(super) mod listings;
pub(super) mod metadata;
