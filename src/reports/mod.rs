//! Layer 6: all that knows the log of AI calls: the queries that every dashboard starts with, and
//! made-up logs.

mod named_query;
mod sample_log;

pub use named_query::{NamedQuery, named_queries};
pub use sample_log::SampleLog;
