//! Optimizer rules beside DataFusion's own.

pub(super) mod checked_arithmetic;
pub(super) mod yielding_joins;
