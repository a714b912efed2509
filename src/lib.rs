//! An embedded analytics engine for usage logs: exact long-range answers from rollups, over plain
//! Parquet files.
//!
//! **The bucket is the database, and a rollup is a hint.** Raw rows are appended as immutable
//! Parquet files by UTC day. A nightly job groups each finished day into compact segments. An SQL
//! query is rewritten: it reads segments where these provably give the same answer, and raw rows
//! exactly where they don't. There is no server, catalog, lock or transaction log. Delete any
//! segment, and every answer stays the same, only slower.
//!
//! ```
//! use tallybook::{AppendOptions, Input, RollupOptions, Query, Tallybook};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let db = Tallybook::builder("memory://").create().await?;
//! let log = r#"{"timestamp":"2026-01-24T09:30:00Z","organizationId":"acme","cost":0.25}"#;
//! db.append(vec![Input::bytes("calls.ndjson", log)], AppendOptions::default()).await?;
//! db.rollup(&RollupOptions::default(), |_| {}).await?.into_result()?;
//!
//! let answer = db.sql("SELECT sum(cost) FROM ai_usage_log").await?;
//! assert_eq!(answer.decision().blocks[0].cover.to_string(), "1 day: 1 from users_daily");
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
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | leaf | an immutable Parquet file of raw rows of one UTC day, from one batch |
//! | segment | a rollup's file for one day or month, built from leaves |
//! | fingerprint | the hash of the ids of a segment's leaves: the segment's name |
//! | cover | a query's time divided into pieces, so that every leaf's rows are counted once |
//! | piece | a stretch of one day, answered by one segment or by raw leaves |
//! | refusal | why a rollup can't serve a query |
//! | grain | a rollup's bucket of time: a day, an hour or 15 minutes |
//! | measure | an aggregate that a rollup stores as states that can be merged |
//! | hint | a file that no answer depends on: everything below `rollups/` |
//! | manifest | the file that decides which files of a day count, and which leaves these absorbed |
//! | claim | which leaves a batch id stands for |
//! | void | a file without rows that takes a leaf's name for good |
//! | remains | what a purge leaves of a day: a file for each rollup |
//! | event | one AI call, however many rows of it a log has; one of them counts |
//! | source | a kind of log, and how its records become rows |
//! | price table | rates of models, by which the cost of a call is computed |
//!
//! # Architecture
//!
//! A file names its own folder and lower layers only. Folders of one layer never meet. A test holds
//! this.
//!
//! | layer | folders | what is there |
//! |---|---|---|
//! | 7 | `cli` | the command line: the only printer, and the reader of the environment |
//! | 6 | `reports` | all that knows the log of AI calls: named queries, sample logs |
//! | 5 | `engine` | the facade: [`Tallybook`] |
//! | 4 | `plan`, `jobs`, `ingest` | the rewrite, pure; what changes and checks a root; `append` |
//! | 3 | `exec` | DataFusion, set up in one place: session, tables, rules |
//! | 2 | `store` | paths, listing, Parquet files, and how a file becomes visible |
//! | 2 | `sources` | kinds of logs: how their records become rows; the language of maps |
//! | 2 | `prices` | price tables, and what a call costs by one |
//! | 1 | `model` | definition, algebra of measures, what files hold, snapshot |
//! | 0 | `base` | day, month, span, grain, zone, clock, error, settings |
//!
//! # Invariants
//!
//! 1. A rollup is a hint: an answer never depends on whether a rollup exists, or is whole. What
//!    answers for a purged day is in the day's own folder.
//! 2. A query has one snapshot.
//! 3. Only `store::write` makes a file visible, and nothing visible changes. A day's next manifest
//!    changes which files of the day count, and only `gc` deletes what counted. Exceptions are
//!    `dataset.toml`, which keeps programs of format 1 out, and the short-lived file that shows the
//!    store's clock.
//! 4. A cover tiles its span: no gap, no overlap. That is checked before a query runs.
//! 5. A query that was not rewritten carries the refusals.
//! 6. Only `cli` reads environment variables of the program and prints. Only [`Clock`] says which
//!    day it is.
//!
//! # Cancellation
//!
//! Every `async` function may be dropped at any `await`. A query that is dropped stops. A job or an
//! append that is dropped leaves the root as a crash would: each answer stays right, and the next
//! call completes or undoes what was begun.

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
mod prices;
mod reports;
mod sources;
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
    Answer, AppendOptions, AppendReport, Batch, BatchId, BlockDecision, BlockExplanation,
    BuildReason, Builder, Checked, Column, ColumnType, CompactOptions, ContentHash, Cover,
    DEFAULT_DEFINITION, Dataset, DayStatus, Decision, Difference, Explanation, FORMAT, Fingerprint,
    Format, Function, GcOptions, Input, JobReport, JobSummary, LeafId, Measure, Nightly,
    NightlyReport, Outcome, Period, Piece, Plan, Prefer, PriceChange, PriceChanges, PriceTable,
    PricesFound, Pricing, PurgeOptions, Quantile, Query, RawFiles, RawReason, Refusal, Rejects,
    Repair, RepriceOptions, Rollup, RollupExplanation, RollupOptions, RollupState, RouteTaken,
    Source, SourceRead, SpanExplanation, Stats, Status, Superseded, Tallybook, Unique,
};
pub use reports::{NamedQuery, SampleLog, Unanswerable, named_queries, unanswerable};
