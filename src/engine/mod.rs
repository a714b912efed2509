//! Layer 5: the facade. Every surface works through [`Tallybook`], and uses only the names that
//! this module and `base` export.

mod explain;
mod jobs;
mod open;
mod query;
mod registered;
mod tables;
mod tallybook;

pub use explain::{BlockExplanation, Explanation, RollupExplanation, SpanExplanation};
pub use open::Builder;
pub use query::answer::{Answer, Stats};
pub use query::request::Query;
pub use tallybook::Tallybook;

#[cfg(feature = "cli")]
pub(crate) use crate::ingest::check;
pub use crate::{
    ingest::{AppendOptions, AppendReport, Format, Input, PricesFound, Rejects, SourceRead},
    jobs::{
        Batch, BuildReason, Checked, CompactOptions, DayStatus, Difference, GcOptions, JobReport,
        JobSummary, Nightly, NightlyReport, Outcome, Plan, PriceChange, PriceChanges, PurgeOptions,
        RawFiles, Repair, RepriceOptions, RollupOptions, RollupState, Status, Superseded,
    },
    model::{
        BatchId, Column, ColumnType, ContentHash, DEFAULT_DEFINITION, Dataset, FORMAT, Fingerprint,
        Function, LeafId, Measure, Period, Prefer, Pricing, Quantile, Rollup, Unique,
    },
    plan::{BlockDecision, Cover, Decision, Piece, RawReason, Refusal, RouteTaken, Source},
    prices::PriceTable,
};
