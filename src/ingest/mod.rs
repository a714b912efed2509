//! Floor 4: `append`. Rows of any accepted form in, immutable leaves out; all of a batch or
//! nothing.
//!
//! ```text
//! input ─ decompress ─ blocks ┬ read ─ draft ─ by day ┬ spool ┬ sort ─ encode ┬ publish
//!                             ├ read ─ draft ─ by day ┤       └ sort ─ encode ┘
//!                             └ …                     └ bad rows: counted, described, kept aside
//! ```
//!
//! Nothing is visible before the whole input was read and judged; memory stays within the spool's
//! budget whatever the input's size.

mod append;
mod claim;
mod columns;
mod csv_rows;
mod decompress;
mod draft;
mod field_map;
mod input;
mod judge;
mod ndjson_blocks;
mod ndjson_rows;
mod parquet_rows;
mod parts;
mod plain_json;
mod publish;
mod reader;
mod rejects;
mod rejects_file;
mod restage;
mod row_rules;
mod scalar;
mod spool;
mod stage;
mod stdin;
mod workers;

pub use append::{AppendOptions, AppendReport};
pub(crate) use append::{Definitions, MakeReady, Place, append};
pub(crate) use field_map::FieldMap;
pub(crate) use input::check;
pub use input::{Format, Input};
pub use rejects::Rejects;
