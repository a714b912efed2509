//! Turns records into typed, checked rows.

pub(super) mod columns;
pub(super) mod field_map;
pub(super) mod header;
pub(super) mod row_builder;
pub(super) mod row_map;
pub(super) mod row_rules;
pub(super) mod validator;
