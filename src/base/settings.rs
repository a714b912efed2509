//! Resolved settings: plain data. Reading flags, files and the environment is the surface's work.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use super::{Error, Result};

/// Which files a query may be answered from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Route {
    /// Rollups where they serve, raw leaves elsewhere.
    #[default]
    Auto,
    /// Raw leaves alone.
    Raw,
    /// Rollups, or fail with the reasons why not.
    Rollup,
}

impl FromStr for Route {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "raw" => Ok(Self::Raw),
            "rollup" => Ok(Self::Rollup),
            other => Err(Error::invalid(format!("route `{other}` is not auto, raw or rollup"))),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Raw => "raw",
            Self::Rollup => "rollup",
        })
    }
}

/// How an open root behaves. None of these can change an answer; a limit can only refuse one.
#[derive(Clone)]
pub struct Settings {
    /// Store options by the usual names in lower case, such as `aws_endpoint`; unknown ones are
    /// ignored.
    pub store_options: Vec<(String, String)>,
    /// Parallel streams of a query.
    pub streams: usize,
    /// Memory for sorts, groups and joins, in bytes; beyond it they spill to disk.
    pub memory_bytes: usize,
    /// Memory for rollups that were read, in bytes: the next query finds them decoded. 0 keeps
    /// none.
    pub segment_cache_bytes: usize,
    /// Memory for manifests and for what files say of themselves, in bytes: neither ever changes.
    pub kept_bytes: usize,
    /// Where these are kept on disk for the next process, of roots on remote stores; nowhere when
    /// `None`.
    pub cache_dir: Option<PathBuf>,
    /// What a root may take there, in bytes; beyond it what was kept first goes.
    pub cache_dir_bytes: u64,
    /// Memory for the rows of one append, in bytes; beyond it they wait on disk.
    pub append_buffer_bytes: usize,
    /// A span of up to this many days is read raw: `rollup.min_span` on the command line.
    pub min_span_days: i64,
    /// How old the listings of a remote store may be that a query goes by. Zero is none but new
    /// ones: every answer has all rows that were acknowledged before it was asked for.
    pub max_staleness: Duration,
    /// The most queries that are answered at once; one more is an error.
    pub max_queries: Option<usize>,
    /// The most that a query may read, by the size of its files; more is an error.
    pub max_scan_bytes: Option<u64>,
    /// The longest that a query may take, from its plan to its last row; longer is an error.
    pub question_timeout: Option<Duration>,
    /// The most rows that an answer may have; more is an error.
    pub max_result_rows: Option<u64>,
    /// Where staged and spilled files go; the system's temporary folder when `None`.
    pub temp_dir: Option<PathBuf>,
    /// How long a store is tried before giving up, in seconds.
    pub retry_timeout_s: u64,
    /// Is told, once each, of what doesn't stop the work: a damaged hint that raw rows answer for.
    pub on_warning: Option<OnWarning>,
}

/// Told of something that doesn't stop the work.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        Self {
            store_options: Vec::new(),
            streams: std::thread::available_parallelism().map_or(2, Into::into),
            memory_bytes: 1 << 30,
            segment_cache_bytes: 256 << 20,
            kept_bytes: 32 << 20,
            cache_dir: None,
            cache_dir_bytes: 256 << 20,
            append_buffer_bytes: 208 << 20,
            min_span_days: 7,
            max_staleness: Duration::ZERO,
            max_queries: None,
            max_scan_bytes: None,
            question_timeout: None,
            max_result_rows: None,
            temp_dir: None,
            retry_timeout_s: 60,
            on_warning: None,
        }
    }
}

impl fmt::Debug for Settings {
    /// Store options hold secrets: only their names are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.store_options.iter().map(|(name, _)| name).collect();
        f.debug_struct("Settings")
            .field("store_options", &names)
            .field("streams", &self.streams)
            .field("memory_bytes", &self.memory_bytes)
            .field("segment_cache_bytes", &self.segment_cache_bytes)
            .field("kept_bytes", &self.kept_bytes)
            .field("cache_dir", &self.cache_dir)
            .field("cache_dir_bytes", &self.cache_dir_bytes)
            .field("append_buffer_bytes", &self.append_buffer_bytes)
            .field("min_span_days", &self.min_span_days)
            .field("max_staleness", &self.max_staleness)
            .field("max_queries", &self.max_queries)
            .field("max_scan_bytes", &self.max_scan_bytes)
            .field("question_timeout", &self.question_timeout)
            .field("max_result_rows", &self.max_result_rows)
            .field("temp_dir", &self.temp_dir)
            .field("retry_timeout_s", &self.retry_timeout_s)
            .finish_non_exhaustive()
    }
}
