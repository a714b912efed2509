//! The definition of a dataset: its columns, its rollups and their measures.

mod dataset;
mod definition_file;
mod expression;
mod measure;
mod parse;
mod pricing;
mod rollup;
mod unique;
mod warning_rule;

pub(crate) use dataset::DATE_COLUMN;
pub use dataset::Dataset;
pub(crate) use expression::{Expression, normal};
pub use measure::Measure;
pub use parse::{DEFAULT_DEFINITION, FORMAT};
pub use pricing::Pricing;
pub(crate) use pricing::REPRICED;
pub use rollup::Rollup;
pub(crate) use rollup::{EVENT_COLUMN, HOUR_COLUMN, QUARTER_HOUR_COLUMN};
pub use unique::{Prefer, Unique};
pub(crate) use warning_rule::{Operand, Relation, WarningRule};
