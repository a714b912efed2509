//! Floor 4: what changes a root beside appending. Building rollups; merging, purging and erasing a
//! day's raw rows, each of which changes what counts by one new file, the day's next manifest; and
//! deleting what nothing refers to any more.

mod close;
mod compact;
mod erase;
mod fence;
mod gc;
mod generation;
mod overtaken;
mod parts;
mod purge;
mod repair;
mod rewrite;
mod rollup;
mod sources;

pub(crate) use close::close_generations_in_flight;
pub(crate) use compact::compact;
pub use compact::{CompactOptions, CompactTask, Compaction};
pub(crate) use erase::{ErasedDay, Erasing, days_with, erase_day, held_by_others};
pub(crate) use fence::fence;
pub(crate) use gc::gc;
pub use gc::{GcOptions, Superseded};
pub(crate) use purge::Purging;
pub use repair::Repair;
pub(crate) use repair::{conclude_repair, repair};
pub use rollup::{Built, JobOptions, Outcome, Reason, Task};
pub(crate) use rollup::{Proofs, group_rows, run, run_months};
pub(crate) use sources::{check_named, first_outside};
