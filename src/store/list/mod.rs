//! Lists a root's files and parses their names.

pub(super) mod foreign;
pub(super) mod listing;
mod live_day;
pub(super) mod local_folders;
pub(super) mod pages;
pub(super) mod period_folder;
pub(super) mod raw_folder;
pub(super) mod raw_name;
mod stretches;
