//! The nightly rollup. For each day and rollup: is there a segment of exactly these leaves? If
//! not, build it. This one check is also the backfill, the repair after late rows and the
//! recovery after a crash. Any number of hosts may run the job at once, as they write files of
//! the same names.

mod finer;
mod grouping;
mod job;
mod months;
mod proofs;
mod rebuild;
mod segment_builder;
mod tasks;

pub(crate) use grouping::{RawRows, group_rows, merge_with_late};
pub use job::RollupOptions;
pub(crate) use job::rollup;
pub(crate) use proofs::Proofs;
pub(crate) use rebuild::rebuild;
use segment_builder::Built;
pub(crate) use segment_builder::{check_rows, rows_of};
use tasks::{Task, tasks};
