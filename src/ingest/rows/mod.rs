//! A record to a typed, checked row.

pub(super) mod columns;
pub(super) mod field_map;
pub(super) mod row_builder;
pub(super) mod row_rules;
pub(super) mod scalar;
pub(super) mod validator;
