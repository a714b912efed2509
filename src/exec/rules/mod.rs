//! Optimizer rules of the session beside DataFusion's own. The rules of the rewrite are in `plan`.

pub(super) mod check_alarm;
pub(super) mod checked_arithmetic;
pub(super) mod guarded_conditions;
pub(super) mod single_distinct;
pub(super) mod yielding_joins;
