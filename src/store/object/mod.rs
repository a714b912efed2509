//! The store below a root: where it is, how it is opened, and how its requests are counted.

pub(super) mod location;
pub(super) mod objects;
pub(super) mod remote;
pub(super) mod request_counter;
