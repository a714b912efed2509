//! The algebra of measures: the states of aggregate functions, how states merge, and the functions
//! of values that plans need beside DataFusion's own.

mod changed_expressions;
mod checked;
mod double_sum;
mod exact_sum;
mod function;
mod in_order;
mod mixed_operands;
mod moving_sum;
mod narrowed;
mod opaque;
pub(crate) mod sketch;
mod state;
pub(crate) mod tag;

pub(crate) use changed_expressions::changed_expressions;
pub(crate) use checked::checked;
pub(crate) use double_sum::double_sum;
pub use function::{Function, Quantile};
pub(crate) use in_order::in_order;
pub(crate) use mixed_operands::{cast_exactly, exact_operands, is_in_zone};
pub(crate) use narrowed::narrowed;
pub(crate) use opaque::{as_is, is_as_is, opaque};
pub(crate) use state::{State, StoredState, stored_needs_room};
