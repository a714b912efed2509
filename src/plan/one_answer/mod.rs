//! What SQL leaves open, settled so that neither the route nor the run shows in the answer: the
//! order of rows, ties, and the last digits of sums.

pub(super) mod exact;
pub(super) mod grouping_sets;
pub(super) mod order;
pub(super) mod ties;
