//! A small definition for tests of many operations.

/// The definition of a small log with one rollup.
pub(crate) const SMALL_LOG: &str = r#"
name = "log"
table = "log"
time = "at"
sort = ["who", "at"]
columns = [
  { name = "at", type = "timestamp", required = true },
  { name = "who", type = "text", required = true },
  { name = "v", type = "integer" },
]
[[rollup]]
name = "by_who"
grain = "day"
dimensions = ["who"]
measures = ["sum(v) as v", "count(*) as n"]
"#;
