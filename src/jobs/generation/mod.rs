//! A day's next generation: how compaction, erasure and purge replace the files of a day's rows.

pub(crate) mod checks;
pub(crate) mod close;
pub(crate) mod next;
pub(crate) mod overtaken;
pub(crate) mod parts;
pub(crate) mod rewrite;
