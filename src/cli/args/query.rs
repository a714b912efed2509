//! The arguments of the commands that answer: `query` and `usage`.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use crate::base::{Day, Route, Zone};

#[derive(ClapArgs, Debug)]
pub(crate) struct QueryArgs {
    /// One SELECT statement
    #[arg(required_unless_present_any = ["file", "name"], conflicts_with_all = ["file", "name"])]
    pub(crate) sql: Option<String>,
    /// A file with the SQL
    #[arg(short, long, conflicts_with = "name")]
    pub(crate) file: Option<PathBuf>,
    /// The name of a query that comes with the program
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// A value for $k in the SQL; may be given more than once
    #[arg(long, value_name = "k=v")]
    pub(crate) param: Vec<String>,
    /// A .csv, .parquet or .ndjson file to join as a table; may be given more than once
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) table: Vec<String>,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}

/// How to answer a query.
#[derive(ClapArgs, Debug)]
pub(crate) struct AnswerArgs {
    /// Which files may answer: auto, raw or rollup
    #[arg(long, default_value = "auto")]
    pub(crate) route: Route,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: OutputFormat,
    /// The time zone of days and hours, such as Europe/Berlin or +05:30
    #[arg(long, value_name = "ZONE", default_value_t = Zone::UTC)]
    pub(crate) time_zone: Zone,
    /// Refuse to read files of more than this in total: bytes, or with kB, MB, GB, TB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_scan_bytes: Option<u64>,
    /// Use listings of a remote store up to this old, such as 30s [default: new ones]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) max_staleness: Option<Duration>,
    /// Fail after this time, such as 30s or 2min
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Refuse an answer with more rows
    #[arg(long, value_name = "N")]
    pub(crate) max_rows: Option<u64>,
    /// Memory for sorts, groups and joins; beyond it, they spill to disk [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: Option<u64>,
    /// A setting: `rollup.min_span=DAYS`, the longest span that is read raw (default 7)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub(crate) set: Vec<Setting>,
    /// Print a line of JSON to standard error: where the answer came from and what it cost
    #[arg(long)]
    pub(crate) stats: bool,
    /// Print what would answer, and why rollups can't, instead of the answer
    #[arg(long)]
    pub(crate) explain: bool,
}

/// A setting that is given by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Setting {
    /// `rollup.min_span`, in days.
    MinSpan(i64),
}

fn parse_setting(text: &str) -> Result<Setting, String> {
    match text.split_once('=') {
        Some(("rollup.min_span", days)) => {
            let days = days.strip_suffix('d').unwrap_or(days).parse::<u32>();
            let days = days.map_err(|_| "rollup.min_span is a number of days".to_owned())?;
            Ok(Setting::MinSpan(days.into()))
        }
        Some((name, _)) => Err(format!("there is no setting `{name}`; there is rollup.min_span")),
        None => Err("it is name=value".to_owned()),
    }
}

/// Parses a size in bytes. `MB` is decimal, as on disks and bills; `MiB` is binary.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => {
            return Err("a size is a number of bytes, or of kB, MB, GB, TB, KiB, MiB, GiB or TiB"
                .to_owned());
        }
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.ok_or_else(|| "a size is a whole number, such as 500MB".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Table,
    Json,
    Ndjson,
    Csv,
    Parquet,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct UsageArgs {
    #[command(subcommand)]
    pub(crate) of: UsageOf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UsageOf {
    /// The usage of one organization
    Org {
        /// The organization's id
        organization: String,
        #[command(flatten)]
        report: ReportArgs,
    },
    /// The usage of all organizations
    Platform {
        #[command(flatten)]
        report: ReportArgs,
    },
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ReportArgs {
    /// The first day, in --time-zone
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<Day>,
    /// The last day, in --time-zone, inclusive
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<Day>,
    /// Number of days up to and including today, such as 7d [default: 30d]
    #[arg(long, value_name = "DAYS")]
    pub(crate) last: Option<String>,
    /// One row per hour, day, week, month, year, model, operation, or other text column
    #[arg(long)]
    pub(crate) by: Option<String>,
    /// Only the N that cost most, and one row for all others
    #[arg(long, value_name = "N", requires = "by")]
    pub(crate) top: Option<u32>,
    /// With --by day, a row for each day, also for days without rows; days before the first or
    /// after the last rows of the root have no figures
    #[arg(long, requires = "by", conflicts_with = "top")]
    pub(crate) fill: bool,
    #[command(flatten)]
    pub(crate) answer: AnswerArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_or_binary() {
        for (text, bytes) in [
            ("7", Some(7)),
            ("1kB", Some(1000)),
            ("2 MB", Some(2_000_000)),
            ("1GiB", Some(1 << 30)),
            ("3kib", Some(3072)),
            ("1.5GB", None),
            ("1XB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
    }
}
