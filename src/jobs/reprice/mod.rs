//! Pricing stored rows anew, by another price table.

pub(super) mod changes;
pub(super) mod job;
