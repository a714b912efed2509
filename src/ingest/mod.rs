//! Layer 4: `append`. It reads rows in any accepted format and writes immutable leaves. When the
//! input fails, nothing of its batch is published.
//!
//! ```text
//! input ─ decompress ─ blocks ┬ read ─ builder ─ by day ┬ spool ┬ sort ─ encode ┬ publish
//!                             ├ read ─ builder ─ by day ┤       └ sort ─ encode ┘
//!                             └ …                     └ bad rows: counted, described, saved
//! ```
//!
//! Nothing is visible before the whole input has been read and validated. Memory is bounded,
//! whatever the input's size: rows beyond the spool's budget wait in a file.

mod pipeline;
mod readers;
mod rows;

pub(crate) use pipeline::append::{AppendContext, Definitions, MakeReady, append};
pub use pipeline::append::{AppendOptions, AppendReport};
pub use pipeline::prices::PricesFound;
pub use pipeline::rejects::Rejects;
pub use pipeline::seen::SourceRead;
pub use readers::format::Format;
pub use readers::input::Input;
pub(crate) use readers::input::check;
