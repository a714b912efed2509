//! Floor 4: `append`. Rows of any accepted form in, immutable leaves out; all of a batch or
//! nothing.
//!
//! ```text
//! input ─ decompress ─ blocks ┬ read ─ builder ─ by day ┬ spool ┬ sort ─ encode ┬ publish
//!                             ├ read ─ builder ─ by day ┤       └ sort ─ encode ┘
//!                             └ …                     └ bad rows: counted, described, kept aside
//! ```
//!
//! Nothing is visible before the whole input was read and validated; memory stays within the spool's
//! budget whatever the input's size.

mod pipeline;
mod readers;
mod rows;

pub(crate) use pipeline::append::{AppendContext, Definitions, MakeReady, append};
pub use pipeline::append::{AppendOptions, AppendReport};
pub use pipeline::rejects::Rejects;
pub(crate) use readers::input::check;
pub use readers::input::{Format, Input};
pub(crate) use rows::field_map::FieldMap;
