//! Each event once: which raw rows of a day count.
//!
//! A log may hold several copies of one event, and any file of the day may hold one. Which copy
//! counts depends on the rows alone (see [`Unique`](crate::model::Unique)), so every reader finds
//! the same. The copies that don't count are decided before any filter of a query, and left out
//! where the files become a table.

mod copies;
mod event_rows;

pub(crate) use copies::CountedRows;
pub(crate) use event_rows::{EventKeys, read_keys, read_remaining};
