//! The store below a root: where it is, how it is reached, and what it is asked for.

pub(super) mod location;
pub(super) mod remote;
pub(super) mod request_counter;
