//! The named steps of durable work.

/// A step of that name was taken: what comes before it is done, what comes after isn't. In a test
/// build the environment can make it the last thing that the process does, with no chance to clean
/// up; else it is nothing.
pub(crate) fn failpoint(name: &str) {
    // Outside tests the line below is nothing, and the name unused.
    _ = name;
    fail::fail_point!(name, |_| std::process::abort());
}
