//! Floor 4: what becomes of files after they were written: compaction, purge, erasure, deletion.

mod compact;
mod erase;
mod gc;
mod parts;
mod purge;
mod rewrite;

pub(crate) use compact::compact;
pub use compact::{CompactOptions, CompactTask, Compaction};
pub(crate) use erase::{Erasing, days_with, erase_day, segments_of};
pub(crate) use gc::gc;
pub use gc::{GcOptions, Superseded};
pub(crate) use purge::purge_day;
