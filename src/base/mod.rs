//! Layer 0: dates, spans, grains, zones, settings and errors. This layer uses no files and no
//! network. Its crates are `chrono` with its zones, `serde` for grains, and `fail` for failpoints.

mod clock;
mod day;
mod error;
mod failpoint;
mod grain;
mod month;
mod settings;
mod span;
mod spans;
mod zone;

pub use clock::{Clock, FixedClock, SystemClock};
pub use day::Day;
pub(crate) use day::MICROS_PER_DAY;
pub use error::{Error, ErrorKind, Result};
pub(crate) use failpoint::failpoint;
pub use grain::Grain;
pub use month::Month;
pub use settings::{OnWarning, Route, Settings};
pub use span::Span;
pub use spans::Spans;
pub use zone::Zone;
