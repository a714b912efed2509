//! The commands, arguments and flags of the program. Nothing is executed here.

mod query;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};

pub(super) use self::query::{
    AnswerArgs, OutputFormat, QueryArgs, ReportArgs, Setting, UsageArgs, UsageOf,
};
use crate::base::Day;

/// Exact usage analytics over plain Parquet files.
#[derive(Debug, Parser)]
#[command(name = "tallybook", version, about, propagate_version = true)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) root: RootArgs,
    /// Log to standard error: -v queries and jobs, -vv plans too; RUST_LOG counts instead
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) verbose: u8,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The root to work on.
#[derive(ClapArgs, Debug)]
pub(super) struct RootArgs {
    /// A folder, or an s3://, gs:// or az:// URL [default: ./tallybook, of `demo` ./tallybook-demo]
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
    /// List what was appended, batch by batch
    Batches(BatchesArgs),
    /// List the live raw files
    Files(SpanArgs),
    /// Merge each finished day's raw files into a few sorted ones
    Compact(CompactArgs),
    /// Purge raw rows of old days; rollups still answer for them
    Purge(PurgeArgs),
    /// Erase an organization's, a user's or a batch's rows, and everything made from them
    Erase(EraseArgs),
    /// Compute the costs of stored rows anew, by another price table
    Reprice(RepriceArgs),
    /// Delete files that newer ones have replaced
    Gc(GcArgs),
    /// Write a day's lost or damaged manifest anew, from the footers of the day's files
    Repair(RepairArgs),
    /// Print a unit that runs the nightly job at 1 AM UTC
    Schedule(ScheduleArgs),
    /// List the kinds of logs that can be appended, or print how one is read
    Sources(SourcesArgs),
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
    /// JSON, CSV or Parquet files, optionally .gz, .zst or .bz2, folders of such files, or URLs of
    /// an object store; `-` or none is standard input
    pub(super) files: Vec<PathBuf>,
    /// The kind of log; otherwise recognized by the first records. `tallybook sources` lists the
    /// kinds
    #[arg(long, value_name = "SOURCE")]
    pub(super) from: Option<String>,
    /// The input's format; otherwise detected from name and content
    #[arg(long, value_enum)]
    pub(super) format: Option<InputFormat>,
    /// The batch's id: appending the same batch again changes nothing
    #[arg(long, value_name = "ID")]
    pub(super) batch: Option<String>,
    /// A TOML file whose table `map` says which input field is which column; beside --from, it
    /// replaces columns of the source
    #[arg(long, value_name = "FILE")]
    pub(super) map: Option<PathBuf>,
    /// A value for a column in every row: `organization_id=acme`; may be given more than once
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = column_value)]
    pub(super) set: Vec<(String, String)>,
    /// The time of records that have none of their own: `2026-01-24T18:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub(super) time: Option<String>,
    /// The price table by which costs are computed, in the shape of `genai-prices` or LiteLLM;
    /// otherwise the table that comes with the program
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    /// Print what would be appended, and append nothing
    #[arg(long)]
    pub(super) dry_run: bool,
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
    Json,
    #[value(alias = "tsv")]
    Csv,
    Parquet,
}

fn column_value(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("it is written COLUMN=VALUE")?;
    Ok((column.trim().to_owned(), value.to_owned()))
}

#[derive(ClapArgs, Debug)]
pub(super) struct SourcesArgs {
    /// The source to print; without it, all are listed
    pub(super) name: Option<String>,
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
pub(super) struct StatusArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    pub(super) format: StatusFormat,
}

#[derive(ClapArgs, Debug)]
pub(super) struct BatchesArgs {
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
    /// Purge what remains for this rollup of days that were purged before, and no raw rows; may be
    /// given more than once
    #[arg(long = "rollup", value_name = "ROLLUP")]
    pub(super) rollups: Vec<String>,
    /// Don't ask first on a terminal
    #[arg(long)]
    pub(super) yes: bool,
    /// Print what would be purged, and purge nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

fn parse_days(text: &str) -> Result<u32, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse();
    days.map_err(|_| "it is a number of days, such as 90d".to_owned())
}

#[derive(ClapArgs, Debug)]
pub(super) struct RepriceArgs {
    /// The price table, in the shape of `genai-prices` or LiteLLM; otherwise the table that comes
    /// with the program
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    #[command(flatten)]
    pub(super) span: SpanArgs,
    /// Print what would change, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
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
    /// The batch; appending the batch again doesn't bring its rows back
    #[arg(long, value_name = "ID", group = "what")]
    pub(super) batch: Option<String>,
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
