//! Floor 4: `append`. Rows of any accepted form in, immutable leaves out; all of a batch or
//! nothing.
//!
//! ```text
//! input ─ decompress ─ parse ─ draft ─ row builder ─ spool by day ─ parts ─ publish
//!                         └─ bad rows: counted, described, kept aside
//! ```
//!
//! Nothing is visible before the whole input was read and judged; memory stays within the spool's
//! budget whatever the input's size.

mod append;
mod csv_rows;
mod draft;
mod field_map;
mod input;
mod ndjson_rows;
mod parquet_rows;
mod parts;
mod publish;
mod reader;
mod rejects;
mod scalar;
mod spool;

pub(crate) use append::append;
pub use append::{AppendOptions, AppendReport};
pub(crate) use field_map::FieldMap;
pub use input::{Format, Input};
pub use rejects::Rejects;
