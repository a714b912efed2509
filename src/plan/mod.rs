//! Floor 4: the rewrite. A logical plan and a snapshot in; an equal plan over explicit files, and
//! the decision with its reasons, out. No store, no execution, no clock.
//!
//! ```text
//! plan ─ order: a total order for aggregated results
//!      ─ each aggregate block: shape → derive (per rollup) → cover → splice
//!      ─ other raw scans: the files of their span
//!      ─ exact: averages and variances of the blocks left raw
//! ```

mod block;
mod calls;
mod cover;
mod cover_words;
mod decision;
mod derive;
mod exact;
mod grouping_sets;
mod implied;
mod order;
mod partials;
mod repeatable;
mod rewrite;
mod scans;
mod shape;
mod splice;
mod time_filter;
mod time_terms;

pub use cover::{Cover, Piece, RawReason, Source};
pub use decision::{BlockDecision, Decision, Refusal, RouteTaken};
pub(crate) use repeatable::is_repeatable;
pub(crate) use rewrite::{Rewriter, span_needed};
pub(crate) use scans::reads_raw;
pub(crate) use splice::FileSources;
