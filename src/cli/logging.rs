//! Logging to standard error, off unless a flag or a variable asks for it.

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::base::{Error, Result};

/// Starts logging. `filter` is the text of `RUST_LOG`, such as `info` or `tallybook=debug,h2=warn`;
/// it counts instead of `verbose`, the number of `-v`.
///
/// # Errors
/// `Invalid` when the filter can't be read.
pub(super) fn start(verbose: u8, filter: Option<&str>) -> Result<()> {
    let own = |level| Targets::new().with_target("tallybook", level);
    let targets = match (filter, verbose) {
        (Some(filter), _) => filter.parse().map_err(|error| {
            Error::invalid(format!("RUST_LOG=`{filter}`: {error}; write, say, tallybook=debug"))
        })?,
        (None, 0) => return Ok(()),
        (None, 1) => own(LevelFilter::INFO),
        (None, 2) => own(LevelFilter::DEBUG),
        (None, _) => Targets::new().with_default(LevelFilter::TRACE),
    };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let started = tracing_subscriber::registry().with(targets).with(lines).try_init();
    started.map_err(|error| Error::internal("starting the log").with_source(error))
}
