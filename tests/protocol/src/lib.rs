//! An explicit-state model of the storage protocol: what each step of each process does to a
//! root, in every order, with deaths, and what must hold in every state.
//!
//! **Run it**: `cargo test -p tallybook-protocol -- --nocapture`. `TALLYBOOK_PROTOCOL_STATES`
//! says how many distinct states to explore (`30_000_000`); use `--release` for that. A found
//! violation is printed as the numbered steps that lead to it. The steps have the names in
//! [`TRANSITIONS`], which are also the names of the program's failpoints.
//!
//! **What it has.** One or two days in a root of eight rows.
//! - Append: a named batch of two leaves, on one day or on two; the same batch again by a second
//!   process, also with its rows in another order; an unnamed, late batch; voids that a writer
//!   meets; giving up claim 0 and publishing other rows under claim 1.
//! - One sequence of steps for compaction, purge (with remains that carry their definition) and
//!   erasure; two erasures of different rows, each with a fence; `init --replace` by two hosts.
//! - One or two gc at grace 0. gc, queries, and where a scenario says so also snapshots, list a
//!   day in two steps: data first, manifests last.
//! - Rollups of days, and of the month from its days.
//! - A foreign file that its owner touches and rewrites.
//! - Death between any two steps; a process that sleeps for ever (it is never scheduled again).
//! - Creates of leaves, voids and manifests whose answers are lost, before or after they took
//!   effect.
//! - From outside: `_m/` is left out of a copy of the root, and `repair` rebuilds a manifest from
//!   footers; a late leaf is lost; files rot; a write is bad.
//!
//! A [`Scenario`](scenario::Scenario) says which processes run how often and what else may
//! happen, so that each exploration stays small. [`scenarios`] has those that are explored with
//! all [rules] kept, breadth first; those with everything at once are too large for that, so
//! random walks go through them to their ends. [`bugs`] has each rule turned off in a scenario
//! of its own, where the exploration must find a violation, and where all states are safe as
//! long as the rule is kept.
//!
//! **The invariants** are in [`invariants`]: acknowledged rows count exactly once unless erased;
//! erased rows stay away once the erasure has returned; a purged day answers; no current hint
//! differs from the rows; a physical copy of each acknowledged row remains; a query misses and
//! doubles nothing; gc deletes no foreign file; no whole day is called damaged; a refused retry
//! has changed nothing; a batch whose claim was given up never becomes visible.
//!
//! **Assumptions**: a listing shows every object that was created before the listing began, and a
//! create fails if its name is taken. Nothing is assumed of clocks, of order of arrival, or of
//! the time between two steps.
//!
//! **Not in it**: eventually consistent listings; more than two days; a second person who mends
//! the same batch differently; a single lost manifest and its tag (a tag changes nothing here);
//! lost answers of `init --replace`, `repair`, and gc's closing; a copy that is taken while the
//! root is being written, other than at one instant; liveness: the model says that nothing wrong happens, not that a
//! job ends. Leaves, files and hints are read in one step; what is gone or changed by then makes
//! the reader start again, and such a second run is another run of the scenario. A purged day's
//! remains are counted as rows.
//!
//! **Figures**, on two cores that other builds were using: 30.5 million distinct states in 402 s
//! and 1.5 GB, all safe (`TALLYBOOK_PROTOCOL_STATES=30_000_000`, release). Eleven scenarios end
//! within that bound, the largest of them with 1.4 million states. 77 million steps of random
//! walks through everything at once in 194 s, all safe. By default one million states, two
//! million steps of walks and all planted bugs take 43 s. The 37 planted bugs are found within
//! 4 to 234,000 states, by counterexamples of 3 to 28 steps.
#![allow(
    clippy::indexing_slicing,
    reason = "a model that only tests use: an index out of bounds must stop it"
)]

pub use transitions::TRANSITIONS;

pub mod actor;
pub mod day;
pub mod hint;
pub mod leaf;
pub mod rows;
pub mod view;

pub mod process;
pub mod rules;
pub mod scenario;
pub mod state;
pub mod transitions;

pub mod append;
pub mod erase;
pub mod gc;
pub mod outside;
pub mod query;
pub mod repair;
pub mod rewrite;
pub mod rollup;
pub mod snapshot;

pub mod bugs;
pub mod explore;
pub mod invariants;
pub mod machine;
pub mod scenarios;
pub mod walk;
