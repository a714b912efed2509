//! Floor 3: DataFusion's runtime, set up in one place.

mod errors;
mod reader;
mod session;
mod tables;

pub(crate) use errors::{engine_error, into_datafusion};
pub(crate) use session::{ROOT_URL, new_session};
pub(crate) use tables::{DatasetTable, FileTable};
