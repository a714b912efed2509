//! Optimizer rules beside DataFusion's own.

pub(super) mod check_alarm;
pub(super) mod checked_arithmetic;
pub(super) mod guarded_conditions;
pub(super) mod yielding_joins;
