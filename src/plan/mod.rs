//! Layer 4: the rewrite. It takes a logical plan and a snapshot. It returns an equal plan over
//! explicit files, and the decision with its reasons. No store, no execution, no clock.
//!
//! ```text
//! plan ─ order: a total order for aggregated results
//!      ─ each aggregate block: shape → derive (per rollup) → cover → splice
//!        of other aggregates: exact sums, averages and variances
//!      ─ other raw scans: the files of their span
//!      ─ grouping_sets: their columns are no constants
//! ```

mod attempt;
mod block;
mod branches;
mod calls;
mod cover;
mod cover_words;
mod decision;
mod derive;
mod exact;
mod expressions;
mod grouping_sets;
mod implied;
mod literals;
mod lossy_casts;
mod order;
mod other_meaning;
mod partials;
mod prepare;
mod push_down;
mod raw_table;
mod repeatable;
mod rewrite;
mod set_comparison;
mod sets;
mod shape;
mod single_distinct;
mod splice;
mod stable;
mod subqueries;
#[cfg(test)]
mod test_root;
mod ties;
mod time_filter;
mod time_terms;

pub use cover::{Cover, Piece, RawReason, Source};
pub use decision::{BlockDecision, Decision, Refusal, RouteTaken};
pub(crate) use literals::keep_meaning;
pub(crate) use prepare::{analyze, optimize, prepare};
pub(crate) use push_down::PushDown;
pub(crate) use raw_table::{DatasetTable, reads_raw};
pub(crate) use rewrite::{Rewriter, spans_needed};
pub(crate) use single_distinct::SingleDistinct;
pub(crate) use splice::FileSources;
