//! Listing a root: which files are there, and what their names say.

pub(super) mod foreign;
pub(super) mod listing;
pub(super) mod local_folders;
pub(super) mod pages;
pub(super) mod period_folder;
pub(super) mod raw_folder;
pub(super) mod raw_name;
