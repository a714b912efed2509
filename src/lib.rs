//! An embedded analytics engine for usage logs: exact long-range answers from rollups, over plain
//! Parquet files.
//!
//! **The bucket is the database, and a rollup is a hint.** Raw rows are appended as immutable
//! Parquet files by UTC day; a nightly job groups each finished day into compact segments; a
//! query in SQL is rewritten to read segments where they are provably the same, and raw rows
//! exactly where they aren't. There is no server, catalog, lock or transaction log. Delete any
//! segment and every answer stays the same, only slower.
//!
//! ```
//! use tallybook::{AppendOptions, Input, JobOptions, Query, Tallybook};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let db = Tallybook::builder("memory://").create().await?;
//! let log = r#"{"timestamp":"2026-01-24T09:30:00Z","organizationId":"acme","cost":0.25}"#;
//! db.append(vec![Input::bytes("calls.ndjson", log)], AppendOptions::default()).await?;
//! db.rollup(&JobOptions::default(), |_| {}).await?.into_result()?;
//!
//! let answer = db.sql("SELECT sum(cost) FROM ai_usage_log").await?;
//! assert_eq!(answer.decision().blocks[0].cover.to_string(), "1 day: 1 from org_daily");
//! let (rows, stats) = answer.collect().await?;
//! assert_eq!((rows[0].num_rows(), stats.route), (1, "rollup"));
//!
//! // Days as Berlin has them, and why each rollup can or can't answer.
//! let query = Query::sql("SELECT date, count(DISTINCT user_id) FROM ai_usage_log GROUP BY 1")
//!     .in_time_zone("Europe/Berlin".parse()?);
//! println!("{}", db.explain(&query).await?);
//! # Ok::<(), tallybook::Error>(())
//! # }).unwrap();
//! ```
//!
//! In a DataFusion session of your own, beside its other tables:
//!
//! ```
//! # use std::sync::Arc;
//! # use tallybook::{AppendOptions, Input, Tallybook};
//! use tallybook::datafusion::prelude::SessionContext;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let db = Tallybook::builder("memory://").create().await?;
//! # let log = r#"{"timestamp":"2026-01-24T09:30:00Z","organizationId":"acme","cost":0.25}"#;
//! # db.append(vec![Input::bytes("calls.ndjson", log)], AppendOptions::default()).await?;
//! let session = SessionContext::new();
//! Arc::new(db).register(&session).await?;
//! let rows = session.sql("SELECT organization_id, sum(cost) FROM ai_usage_log GROUP BY 1").await?;
//! assert_eq!(rows.count().await?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # The house
//!
//! A file names its own module and lower floors only; siblings on a floor never meet.
//!
//! | floor | rooms | what is there |
//! |---|---|---|
//! | 7 | `main.rs` | parse, run, exit code |
//! | 6 | `cli` | the command line; the only reader of the environment, the only printer |
//! | 5 | `engine` | the one door: [`Tallybook`] |
//! | 4 | `plan`, `jobs`, `ingest` | the rewrite, pure; rollup, compaction, purge, erasure, `gc`; `append` |
//! | 3 | `catalog`, `exec` | snapshot and freshness; DataFusion, set up in one place |
//! | 2 | `store` | paths, listing, Parquet files, and how one becomes visible |
//! | 1 | `model`, `sample` | dataset, rollup, measure algebra, ids; made-up logs |
//! | 0 | `base` | day, span, grain, clock, error, settings |
//!
//! # Invariants
//!
//! 1. A rollup is a hint: an answer never depends on whether one exists, or is whole. What answers
//!    for a purged day is in the day's own folder.
//! 2. One snapshot per query.
//! 3. Only `store::create` makes a file visible, and nothing visible changes. What a day's raw rows
//!    are in changes by its next manifest, and only `gc` deletes what was visible.
//! 4. A cover tiles its span: no gap, no overlap. That is checked before a query runs.
//! 5. Every query that was not rewritten carries its refusals.
//! 6. Nothing below floor 6 reads the environment or prints, nor the clock but through [`Clock`].

mod base;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod engine;
mod exec;
mod ingest;
mod jobs;
mod model;
mod plan;
mod reports;
mod store;

/// The DataFusion that sessions, record batches and schemas here are of, with its `arrow`.
pub use datafusion;
/// The `object_store` that stores of your own are of.
pub use object_store;

pub use base::{
    Clock, Day, Error, ErrorKind, FixedClock, Grain, Month, OnWarning, Result, Route, Settings,
    Span, Spans, SystemClock, Zone,
};
pub use engine::{
    Answer, AppendOptions, AppendReport, BatchId, BlockDecision, BlockExplanation, Builder,
    Checked, Column, ColumnType, CompactOptions, ContentHash, Cover, DEFAULT_DEFINITION, Dataset,
    DayStatus, Decision, Difference, Explanation, FORMAT, Fingerprint, Format, Function, GcOptions,
    Input, JobOptions, JobReport, JobSummary, LeafId, Measure, Nightly, NightlyReport, Outcome,
    Period, Piece, Plan, PurgeOptions, Quantile, Query, RawFiles, RawReason, Reason, Refusal,
    Rejects, Repair, Rollup, RollupExplanation, RollupState, RouteTaken, Source, SpanExplanation,
    Stats, Status, Superseded, Tallybook,
};
pub use reports::{NamedQuery, SampleLog, named_queries};
