//! Layer 4: the rewrite. It takes a logical plan and a snapshot. It returns an equal plan over
//! explicit files, and the decision with its reasons. No store, no execution, no clock.
//!
//! ```text
//! prepare:    literals and doubles keep their meaning → DataFusion's analyzer → subqueries with
//!             another meaning are refused → set comparisons, lossy casts → subqueries become
//!             joins → filters are pushed down
//! rewrite:    one_answer: an order for aggregated rows, ties
//!             each aggregate: block → derive (per rollup) → cover → splice
//!             of other aggregates: one_answer: exact sums, averages and variances
//!             other raw scans: the files of their span
//!             one_answer: columns of grouping sets are no constants
//! optimize:   lossy casts to dates → the session's optimizer → subqueries left over are refused
//! ```
//!
//! | folder | what is there |
//! |---|---|
//! | `prepare` | a parsed query becomes a plan that the rewrite can read |
//! | `block` | an aggregate over the raw table, read from the plan, and what no rollup can serve |
//! | `derive` | how the block's values follow from a rollup's columns |
//! | `cover` | which files answer which part of the time, and the plan over these files |
//! | `one_answer` | what SQL leaves open, settled so that no route shows in the answer |

mod block;
mod cover;
mod decision;
mod derive;
mod expressions;
mod one_answer;
mod prepare;
mod raw_table;
mod rewrite;
#[cfg(test)]
mod test_root;

pub(crate) use cover::splice::FileSources;
pub use cover::{Cover, Piece, RawReason, Source};
pub use decision::{BlockDecision, Decision, Refusal, RouteTaken};
pub(crate) use prepare::{analyze, literals::keep_meaning, optimize, prepare, push_down::PushDown};
pub(crate) use raw_table::{DatasetTable, reads_raw};
pub(crate) use rewrite::{Rewriter, spans_needed};
