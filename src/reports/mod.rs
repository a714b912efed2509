//! Layer 6: everything that knows the log of AI calls. Named queries are the ones that every
//! dashboard starts with. Sample logs are made up.

mod named_query;
mod sample_log;
mod unanswerable;

pub use named_query::{NamedQuery, named_queries};
pub use sample_log::SampleLog;
pub use unanswerable::{Unanswerable, unanswerable};
