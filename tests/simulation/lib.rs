//! Random interleavings of everything that a root can be asked to do, in simulated time.
//!
//! `cargo test -p tallybook-simulation` runs them; the tests are in `interleavings.rs`. They are a
//! package of their own because the paused clock is a feature of tokio that nothing else needs:
//! beside the other tests it would make each benchmark build compile all of DataFusion once more.
