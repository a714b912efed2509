//! Layer 2: sources. A source says how the records of one kind of log become rows: which records
//! are calls, and where each column's value is. It is a TOML text. `data/sources/` has the texts
//! of the logs that the program knows; a user's `--map` is written in the same language.
//!
//! # The language
//!
//! ```toml
//! name = "claude-code"
//! about = "Transcripts of Claude Code"
//! version = 1
//! as_of = "2026-11-25"              # when the facts were checked
//! files = ["~/.claude/projects/**/*.jsonl"]     # where such logs are; for readers only
//! without_time = "a body has no time"           # why records may need --time
//!
//! # A log is of this source when one of its first records meets all of these conditions.
//! recognize = [{ field = "sessionId" }, { field = "message.usage" }]
//!
//! [rows]
//! # A row for each element of arrays in arrays; by default the record is the row. Of several ways,
//! # the first that finds rows is taken; "" stands for the record.
//! each = ["resourceSpans[].scopeSpans[].spans[]", ""]
//! keep = [{ field = "type", is = "assistant" }]   # a row must meet all of these,
//! skip = [{ field = "message.model", is = "<synthetic>", because = "is synthetic" }]  # and none
//! expect = [{ equal = [{ sum = ["in", "out"] }, "total"], because = "in + out is total" }]
//! unknown = ["None"]                # words that mean NULL in every column
//!
//! [map]                             # a column, and the rule for its value
//! model = "message.model"
//! input_tokens = { sum = ["usage.input_tokens", "usage.cache_read_input_tokens"] }
//! timestamp = { from = ["startTime", "time"], unit = "s", zone = "UTC" }
//! provider = { value = "anthropic" }
//! ```
//!
//! **Paths.** `a.b.c` goes from object to object. A key may itself have dots, at any depth: the
//! longest key that leads to a value is taken. `a[0]` is an element; `a[]` is every element, and
//! `*` in a key stands for any text, so both may give several values: a sum adds them, and every
//! other rule takes the first. A list of objects with `key` and `value`, as OpenTelemetry writes
//! attributes, is entered like an object, and `{"stringValue": …}` is the value in it. A text
//! that holds a JSON object or array is entered, too. Where rows come from arrays, a path starts
//! at the row's element; `../` starts one array further out, and `/` at the record.
//!
//! **Rules.** A rule has one of these:
//!
//! | key | value |
//! |---|---|
//! | `from = "path"`, or a list of paths and rules | the first that is present |
//! | `sum = […]` | the sum; what is missing counts as 0, unless all are missing |
//! | `minus = [a, b, …]` | `a` less all others; NULL without `a` |
//! | `join = […]` | the texts with `:` between them; NULL when one is missing |
//! | `value = "text"` | the same for every row |
//!
//! and may have, in the order in which they apply:
//!
//! | key | meaning |
//! |---|---|
//! | `if = {…}` or a list | NULL unless the conditions hold |
//! | `carry = true` | the latest value in this or an earlier record of the file; its paths start at the record |
//! | `unknown = ["N/A"]` | words that mean NULL; an empty text always does |
//! | `strip = ["^us\\."]` | removes the first match of each regular expression |
//! | `factor = 1000` or `"0.001"` | multiplies, exactly |
//! | `round = true` | rounds to a whole number, half away from zero |
//! | `lenient = true` | a text that is no number is NULL, or the next of several is taken |
//! | `unit = "s"`, `"ms"`, `"us"`, `"ns"`, `"[s, ns]"` | the unit of a time in numbers; without it, the magnitude decides |
//! | `origin = "2024-06-21T00:00:00Z"` | where such a time counts from |
//! | `zone = "UTC"` | the zone of a time that names none |
//! | `default = "text"` | instead of NULL |
//!
//! **Conditions.** `{ field = "path" }` is met when the field is present (not NULL, not empty).
//! With `is = "x"` or `is = ["x", "y"]` its text must be one of these, with `not` none of these
//! (and a missing field meets it), with `matches` it must match a regular expression, and with
//! `present = false` it must be missing. `{ equal = [rule, rule] }` compares two numbers, and is
//! met when one is missing. `{ any = […] }` is met when one of its conditions is, and
//! `{ all = […] }` when all are.
//!
//! A record whose rows are partly bad is left out as a whole, and is in the rejects file once.

mod carried;
mod condition;
mod embedded;
mod json;
mod path;
mod rule;
mod rule_text;
pub(crate) mod scalar;
mod source;
mod source_text;
mod tags;
mod text;
mod value;

pub(crate) use carried::Carried;
#[cfg(feature = "cli")]
pub(crate) use embedded::shipped_text;
pub(crate) use embedded::{shipped, shipped_source};
pub(crate) use json::Json;
pub(crate) use path::Place;
pub(crate) use scalar::{Scalar, TimeForm};
pub(crate) use source::{ColumnRule, Kept, Source};
pub(crate) use tags::tags;
pub(crate) use text::alike;
pub(crate) use value::Value;
