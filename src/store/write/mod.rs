//! Writing files: staged where nobody looks, then visible at once, if nobody was first.

pub(super) mod create;
pub(super) mod other_disk;
pub(super) mod permissions;
pub(super) mod staging;
pub(super) mod unfinished;
