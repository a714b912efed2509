//! The commands, arguments and flags of the program. Nothing is executed here.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::base::{Day, Route, Zone};

/// Exact usage analytics over plain Parquet files.
#[derive(Debug, Parser)]
#[command(name = "tallybook", version, about, propagate_version = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) root: RootArgs,
    /// Log what is done to standard error: -v each query and job, -vv their plans; RUST_LOG says more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The root to work on.
#[derive(ClapArgs, Debug)]
pub(super) struct RootArgs {
    /// A folder, or an s3://, gs:// or az:// URL [default: ./tallybook]
    #[arg(long, global = true, env = "TALLYBOOK_ROOT", value_name = "URL")]
    pub(super) root: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a root with a dataset's definition
    Init(InitArgs),
    /// Append rows from files or standard input: all of them or none
    Append(AppendArgs),
    /// Build the segments that finished days lack
    Rollup(RollupArgs),
    /// Run the nightly job: rollup, merge days of many files, delete replaced files
    Nightly,
    /// Answer an SQL query
    Query(QueryArgs),
    /// Report what an organization, or the platform, used
    Usage(UsageArgs),
    /// Show what each day holds and how far rollups serve it; exit 1 if a finished day isn't served
    Status(StatusArgs),
    /// Recompute segments from raw rows and check files; exit 1 at the first difference
    Verify(SpanArgs),
    /// List the live raw files
    Files(SpanArgs),
    /// Merge each finished day's raw files into a few sorted ones
    Compact(CompactArgs),
    /// Purge raw rows of old days; rollups still answer for them
    Purge(PurgeArgs),
    /// Erase an organization's or a user's rows, and everything made from them
    Erase(EraseArgs),
    /// Delete files that newer ones have replaced
    Gc(GcArgs),
    /// Write a day's lost or damaged manifest anew, from the footers of the day's files
    Repair(RepairArgs),
    /// Print a unit that runs the nightly job at 1 AM UTC
    Schedule(ScheduleArgs),
    /// Make 90 days of sample logs, roll them up, and report on them by both routes
    Demo(DemoArgs),
}

#[derive(ClapArgs, Debug)]
pub(super) struct InitArgs {
    /// The definition, as a TOML file; without it, the default dataset `ai_usage`
    pub(super) dataset: Option<PathBuf>,
    /// Replace the root's definition: rollups may change freely, columns may only be added
    #[arg(long, requires = "dataset")]
    pub(super) replace: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct AppendArgs {
    /// NDJSON, CSV or Parquet files, optionally .gz or .zst; `-` or none is standard input
    pub(super) files: Vec<PathBuf>,
    /// The input's format; otherwise detected from name and content
    #[arg(long, value_enum)]
    pub(super) format: Option<InputFormat>,
    /// The batch's id: appending the same batch again changes nothing
    #[arg(long, value_name = "ID")]
    pub(super) batch: Option<String>,
    /// A TOML file whose table `map` says which input field is which column
    #[arg(long, value_name = "FILE")]
    pub(super) map: Option<PathBuf>,
    /// The file to write bad rows to, unchanged
    #[arg(long, value_name = "FILE")]
    pub(super) rejects: Option<PathBuf>,
    /// How many bad rows to accept; with more, nothing is appended
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) max_rejects: u64,
    /// The definition for a new root
    #[arg(long, value_name = "FILE")]
    pub(super) dataset: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum InputFormat {
    #[value(alias = "jsonl")]
    Ndjson,
    Csv,
    Parquet,
}

#[derive(ClapArgs, Debug, Default)]
pub(super) struct RollupArgs {
    /// The first day [default: the root's first]
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<Day>,
    /// The last day [default: yesterday, UTC]
    #[arg(long, value_name = "DATE")]
    pub(super) to: Option<Day>,
    /// Only this rollup; may be given more than once
    #[arg(long, value_name = "ROLLUP")]
    pub(super) name: Vec<String>,
    /// Print what would be built and why, and build nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Merge the raw files of days with more than one; by default, of days with more than 8
    #[arg(long, conflicts_with = "no_compact")]
    pub(super) compact: bool,
    /// Leave raw files as they are
    #[arg(long)]
    pub(super) no_compact: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct QueryArgs {
    /// One SELECT statement
    #[arg(required_unless_present_any = ["file", "name"], conflicts_with_all = ["file", "name"])]
    pub(super) sql: Option<String>,
    /// A file with the SQL
    #[arg(short, long, conflicts_with = "name")]
    pub(super) file: Option<PathBuf>,
    /// The name of a query that comes with the program
    #[arg(long)]
    pub(super) name: Option<String>,
    /// A value for $k in the SQL; may be given more than once
    #[arg(long, value_name = "k=v")]
    pub(super) param: Vec<String>,
    /// A .csv, .parquet or .ndjson file to join as a table; may be given more than once
    #[arg(long, value_name = "NAME=PATH")]
    pub(super) table: Vec<String>,
    #[command(flatten)]
    pub(super) answer: AnswerArgs,
}

/// How to answer a query.
#[derive(ClapArgs, Debug)]
pub(super) struct AnswerArgs {
    /// Which files may answer: auto, raw or rollup
    #[arg(long, default_value = "auto")]
    pub(super) route: Route,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: OutputFormat,
    /// The time zone of days and hours, such as Europe/Berlin or +05:30
    #[arg(long, value_name = "ZONE", default_value_t = Zone::UTC)]
    pub(super) time_zone: Zone,
    /// Refuse to read files of more than this in total: bytes, or with kB, MB, GB, TB
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(super) max_scan_bytes: Option<u64>,
    /// Use listings of a remote store up to this old, such as 30s [default: new ones]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) max_staleness: Option<Duration>,
    /// Fail after this time, such as 30s or 2min
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// Refuse an answer with more rows
    #[arg(long, value_name = "N")]
    pub(super) max_rows: Option<u64>,
    /// Memory for sorts, groups and joins; beyond it, they spill to disk [default: 1 GiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(super) memory: Option<u64>,
    /// A setting: `rollup.min_span=DAYS`, the longest span that is read raw (default 7)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub(super) set: Vec<Setting>,
    /// Print a line of JSON to standard error: where the answer came from and what it cost
    #[arg(long)]
    pub(super) stats: bool,
    /// Print what would answer, and why rollups can't, instead of the answer
    #[arg(long)]
    pub(super) explain: bool,
}

/// A setting that is given by its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
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

/// Parses a size in bytes. Units are decimal, as on disks and bills.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        _ => return Err("a size is a number of bytes, or of kB, MB, GB or TB".to_owned()),
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.ok_or_else(|| "a size is a whole number, such as 500MB".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    Table,
    Json,
    Ndjson,
    Csv,
    Parquet,
}

#[derive(ClapArgs, Debug)]
pub(super) struct UsageArgs {
    #[command(subcommand)]
    pub(super) of: UsageOf,
}

#[derive(Debug, Subcommand)]
pub(super) enum UsageOf {
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
pub(super) struct ReportArgs {
    /// The first day, in --time-zone
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<Day>,
    /// The last day, in --time-zone, inclusive
    #[arg(long, value_name = "DATE")]
    pub(super) to: Option<Day>,
    /// Number of days up to and including today, such as 7d [default: 30d]
    #[arg(long, value_name = "DAYS")]
    pub(super) last: Option<String>,
    /// One row per hour, day, week, month, year, model, operation, or other text column
    #[arg(long)]
    pub(super) by: Option<String>,
    /// Only the N that cost most, and one row for all others
    #[arg(long, value_name = "N", requires = "by")]
    pub(super) top: Option<u32>,
    #[command(flatten)]
    pub(super) answer: AnswerArgs,
}

#[derive(ClapArgs, Debug)]
pub(super) struct StatusArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: StatusFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StatusFormat {
    Table,
    Json,
}

#[derive(ClapArgs, Debug)]
pub(super) struct SpanArgs {
    /// The first day [default: the root's first]
    #[arg(long, value_name = "DATE")]
    pub(super) from: Option<Day>,
    /// The last day [default: the root's last]
    #[arg(long, value_name = "DATE")]
    pub(super) to: Option<Day>,
}

#[derive(ClapArgs, Debug)]
pub(super) struct CompactArgs {
    #[command(flatten)]
    pub(super) span: SpanArgs,
    /// Print what would be merged, and merge nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct PurgeArgs {
    /// Purge days that have been over for this many days, such as 90d
    #[arg(long, value_name = "DAYS", value_parser = parse_days)]
    pub(super) older_than: u32,
    /// Print what would be purged, and purge nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

fn parse_days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse();
    days.map_err(|_| "it is a number of days, such as 90d".to_owned())
}

#[derive(ClapArgs, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct EraseArgs {
    /// The organization
    #[arg(long, value_name = "ID", group = "what")]
    pub(super) organization: Option<String>,
    /// The user; with --organization, that user's rows in it
    #[arg(long, value_name = "ID", group = "what")]
    pub(super) user: Option<String>,
    /// Rows with this value in this column; may be given more than once, and all must match
    #[arg(long = "where", value_name = "COLUMN=VALUE", group = "what")]
    pub(super) columns: Vec<String>,
    /// Print which days have such rows, and erase nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct GcArgs {
    /// How long a file stays after its replacement appeared: longer than any query takes
    #[arg(long, value_name = "TIME", default_value = "48h", value_parser = humantime::parse_duration)]
    pub(super) grace: Duration,
    /// How long unfinished files of a compaction, a purge or an erasure stay, at least the grace
    /// period: longer than any of these jobs takes. A job that still runs starts again
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(super) abandoned: Duration,
    /// Print what would be deleted, and delete nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct RepairArgs {
    /// The day that can't be read, as `status` names it
    pub(super) day: Day,
    /// Write the manifest without asking
    #[arg(long)]
    pub(super) yes: bool,
}

#[derive(ClapArgs, Debug)]
pub(super) struct ScheduleArgs {
    /// The scheduler to print the unit for
    #[arg(value_enum)]
    pub(super) scheduler: Scheduler,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Scheduler {
    Systemd,
    Cron,
    Kubernetes,
}

#[derive(ClapArgs, Debug)]
pub(super) struct DemoArgs {
    /// Number of days of logs, up to yesterday
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub(super) days: u16,
    /// Organizations
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) organizations: u32,
    /// Calls in an average hour
    #[arg(long, default_value_t = 140, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rows_per_hour: u32,
    /// The seed of all random numbers
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
}
