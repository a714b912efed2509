//! Resolved settings, as plain data. Surfaces read the flags, files and environment that settings
//! come from.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use super::{Error, Result};

/// Which files may answer a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Route {
    /// Rollups where they can answer, raw leaves elsewhere.
    #[default]
    Auto,
    /// Raw leaves only.
    Raw,
    /// Rollups. A query that rollups can't answer fails with the reasons.
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

/// How an open root behaves. A limit can only refuse an answer. Only `max_staleness` can change an
/// answer: rows that are newer than a listing may be missing.
#[derive(Clone)]
pub struct Settings {
    /// Options of the store by their usual names in lower case, such as `aws_endpoint`. Unknown
    /// names are ignored.
    pub store_options: Vec<(String, String)>,
    /// Number of parallel streams of a query.
    pub streams: usize,
    /// Memory for sorts, groups and joins, in bytes. Beyond it, they spill to disk.
    pub memory_bytes: usize,
    /// Upper bound for the memory of the whole process while a query runs, in bytes. A query that
    /// exceeds the bound is ended by an error. It is for what `memory_bytes` can't see: rows on
    /// their way between operators, and the state of functions. It is checked every 2 ms, where
    /// the system reports a process's memory. Processes that also do other work leave it `None`.
    pub process_memory_bytes: Option<usize>,
    /// Memory for cached rollup columns, in bytes. The columns are decoded, ready for the next
    /// query. With 0, none is cached.
    pub segment_cache_bytes: usize,
    /// Memory for cached manifests and footer metadata, in bytes. Neither ever changes.
    pub metadata_cache_bytes: usize,
    /// Folder in which manifests, footer metadata and listings of remote roots are cached for the
    /// next process. Nothing is cached on disk when `None`.
    pub cache_dir: Option<PathBuf>,
    /// Upper bound for one root's cache directory, in bytes. When exceeded, the oldest entries
    /// are deleted.
    pub cache_dir_bytes: u64,
    /// Memory for the rows of one append, in bytes. Beyond it, rows wait on disk.
    pub append_buffer_bytes: usize,
    /// With [`Route::Auto`], queries over at most this many days read raw rows, unless some of
    /// these rows were purged. The command line's name for this setting is `rollup.min_span`.
    pub min_span_days: i64,
    /// Maximum age of the listings of a remote store that a query uses. With zero, every query
    /// lists anew: its answer has all rows that were acknowledged before the query.
    pub max_staleness: Duration,
    /// Maximum number of queries that are answered at once. One more is an error.
    pub max_queries: Option<usize>,
    /// Maximum total size of the files that a query reads, in bytes. More is an error.
    pub max_scan_bytes: Option<u64>,
    /// Maximum time of a query, from planning to its last row. More is an error.
    pub query_timeout: Option<Duration>,
    /// Maximum number of rows of an answer. More is an error.
    pub max_result_rows: Option<u64>,
    /// Folder for spilled files, and for staged files of roots that aren't local; the system's
    /// temporary folder when `None`.
    pub temp_dir: Option<PathBuf>,
    /// Upper bound for the time that a request to a remote store is retried, in seconds.
    pub retry_timeout_s: u64,
    /// Called once with each warning: a problem that doesn't stop the work, such as a damaged
    /// hint in whose place raw rows answer.
    pub on_warning: Option<OnWarning>,
}

/// A function that is called with warnings: problems that don't stop the work.
pub type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

impl Default for Settings {
    fn default() -> Self {
        Self {
            store_options: Vec::new(),
            streams: std::thread::available_parallelism().map_or(2, Into::into),
            memory_bytes: 1 << 30,
            process_memory_bytes: None,
            segment_cache_bytes: 256 << 20,
            metadata_cache_bytes: 32 << 20,
            cache_dir: None,
            cache_dir_bytes: 256 << 20,
            append_buffer_bytes: 208 << 20,
            min_span_days: 7,
            max_staleness: Duration::ZERO,
            max_queries: None,
            max_scan_bytes: None,
            query_timeout: None,
            max_result_rows: None,
            temp_dir: None,
            retry_timeout_s: 60,
            on_warning: None,
        }
    }
}

impl fmt::Debug for Settings {
    /// Shows only the names of store options, because their values can be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.store_options.iter().map(|(name, _)| name).collect();
        f.debug_struct("Settings")
            .field("store_options", &names)
            .field("streams", &self.streams)
            .field("memory_bytes", &self.memory_bytes)
            .field("process_memory_bytes", &self.process_memory_bytes)
            .field("segment_cache_bytes", &self.segment_cache_bytes)
            .field("metadata_cache_bytes", &self.metadata_cache_bytes)
            .field("cache_dir", &self.cache_dir)
            .field("cache_dir_bytes", &self.cache_dir_bytes)
            .field("append_buffer_bytes", &self.append_buffer_bytes)
            .field("min_span_days", &self.min_span_days)
            .field("max_staleness", &self.max_staleness)
            .field("max_queries", &self.max_queries)
            .field("max_scan_bytes", &self.max_scan_bytes)
            .field("query_timeout", &self.query_timeout)
            .field("max_result_rows", &self.max_result_rows)
            .field("temp_dir", &self.temp_dir)
            .field("retry_timeout_s", &self.retry_timeout_s)
            .finish_non_exhaustive()
    }
}
