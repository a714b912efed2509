//! Floor 1: realistic logs from a seed, for the demo, the benchmarks and the tests. The same seed
//! and hour give the same rows for ever.

mod log;

pub use log::SampleLog;
