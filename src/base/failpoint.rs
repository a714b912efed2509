//! Failpoints: named places in durable work where a test can kill the process.

/// Marks the failpoint `name`: the work before it is done, the work after it isn't. In a test
/// build, the environment can make the process abort here, without any chance to clean up. In other
/// builds, the call does nothing.
pub(crate) fn failpoint(name: &str) {
    // Outside test builds, the macro below expands to nothing and leaves `name` unused.
    _ = name;
    fail::fail_point!(name, |_| std::process::abort());
}
