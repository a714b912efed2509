//! Turns blocks of records into visible leaves.

pub(super) mod append;
pub(super) mod claim;
pub(super) mod event_proofs;
pub(super) mod parts;
pub(super) mod prices;
pub(super) mod publish;
pub(super) mod rejects;
pub(super) mod rejects_file;
pub(super) mod restage;
pub(super) mod row_maps;
pub(super) mod seen;
pub(super) mod spool;
pub(super) mod stage;
pub(super) mod workers;
