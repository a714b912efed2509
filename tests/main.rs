//! All integration tests, in one binary: DataFusion is linked once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    clippy::format_push_string,
    clippy::too_many_lines,
    reason = "a test fails by panicking, reads as a table, and its helpers are not tests to clippy"
)]

mod support;

mod append;
mod architecture;
mod batches;
mod command_line;
mod compaction;
mod corruption;
mod definition;
mod doubles;
mod erasure;
mod faults;
mod foreign;
mod fuzz;
mod gc;

mod inputs;
mod kill;
mod library;
mod limits;
mod local_time;
mod lost;
mod months;
mod object_stores;
mod power_loss;
mod prepared;
mod prices;
mod public_face;
mod purge;
mod races;
mod readme;
mod redefined;
mod repair;
mod requests;
mod rollup;
mod routes;
mod segment_cache;
mod shapes;
mod sketches;
mod slt;
mod sources;
mod sql_corners;
mod sql_hostile;
mod sql_limits;
mod sql_meaning;
mod sql_rewrite;
mod steps;
mod storm;
mod strays;
mod tags;
mod together;
mod traces;
mod unique;
mod wide;
