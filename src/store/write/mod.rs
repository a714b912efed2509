//! Writes files: staged where no reader looks, then made visible at once if the name is free.

pub(super) mod create;
pub(super) mod other_disk;
pub(super) mod permissions;
pub(super) mod staging;
pub(super) mod unfinished;
