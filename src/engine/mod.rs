//! Floor 5: the one door. Everything above goes through [`Tallybook`].

mod analysis;
mod answer;
mod erase;
mod explain;
mod limits;
mod named_query;
mod open;
mod prepared;
mod purge;
mod query;
mod registered;
mod sources;
mod sql;
mod status;
mod tables;
mod tallybook;
mod verify;

pub use answer::{Answer, Stats};
pub use erase::Erasure;
pub use explain::{BlockExplanation, Explanation, RollupExplanation, SpanExplanation};
pub use named_query::{NamedQuery, named_queries};
pub use purge::{Purge, PurgeOptions};
pub use query::Question;
pub use status::{DayStatus, RollupState, Status};
pub use tallybook::Tallybook;
pub use verify::{Checked, Difference};
