//! Layer 4: the jobs on a root. Most change it: they build rollups; merge, price, purge and erase a
//! day's raw rows; and delete files that nothing refers to any more. `batches`, `status` and
//! `verify` only read. Each change of a day's raw rows takes effect by one new file, the day's next
//! manifest.

mod batches;
mod compact;
mod context;
mod erase;
mod gc;
mod generation;
mod nightly;
mod purge;
mod repair;
mod report;
mod reprice;
mod rollup;
mod status;
mod verify;

pub use batches::Batch;
pub(crate) use batches::batches;
pub use compact::CompactOptions;
pub(crate) use compact::compact;
pub(crate) use context::JobContext;
pub(crate) use erase::job::erase;
pub(crate) use gc::gc;
pub use gc::{GcOptions, Superseded};
pub(crate) use nightly::nightly;
pub use nightly::{Nightly, NightlyReport};
pub use purge::job::PurgeOptions;
pub(crate) use purge::job::purge;
pub use repair::Repair;
pub(crate) use repair::{conclude_repair, repair};
pub use report::{BuildReason, JobReport, JobSummary, Outcome, Plan, RawFiles};
pub use reprice::changes::{PriceChange, PriceChanges};
pub use reprice::job::RepriceOptions;
pub(crate) use reprice::job::reprice;
pub use rollup::RollupOptions;
pub(crate) use rollup::rollup;
pub(crate) use status::status;
pub use status::{DayStatus, RollupState, Status};
pub(crate) use verify::verify;
pub use verify::{Checked, Difference};
