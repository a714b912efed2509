//! Floor 4: what becomes of files after they were written.

mod gc;

pub(crate) use gc::gc;
pub use gc::{GcOptions, Superseded};
