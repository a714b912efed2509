//! Shared by the tests: a folder with a root, the program, and answers as CSV.

pub(crate) mod fake_store;
pub(crate) mod grammar;
pub(crate) mod ledger;
pub(crate) mod life;
pub(crate) mod many;
pub(crate) mod place;
pub(crate) mod rows;
pub(crate) mod small;
pub(crate) mod small_log;
pub(crate) mod try_answer;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use tallybook::{
    AppendOptions, AppendReport, BatchId, Day, FixedClock, Input, Query, RollupOptions, Route,
    SampleLog, Settings, Stats, Tallybook,
};
use tempfile::TempDir;

pub(crate) use self::{small_log::SMALL_LOG, try_answer::try_answer};

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// This result. Panics unless the exit code is 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// This result. Panics unless the exit code is `code` and standard error contains `words`.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.err.contains(words), "`{words}` is not in:\n{}", self.err);
        self
    }
}

/// Number of rollups in the default definition.
pub(crate) const ROLLUPS: usize = 6;

/// A temporary folder with a root in it.
pub(crate) struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs the program in the folder, on its root.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ran {
        run(self.command(args), b"")
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        run(self.command(args), input)
    }

    pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = program();
        command.current_dir(self.dir.path()).env("TALLYBOOK_ROOT", self.root()).args(args);
        command
    }

    /// The full paths of all files below a folder of the root, sorted.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.root().join(below)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }

    pub(crate) async fn db(&self, today: &str) -> Tallybook {
        db_at(self.root().to_str().unwrap(), today, Settings::default()).await
    }
}

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tallybook"));
    command.env_remove("TALLYBOOK_ROOT");
    command
}

pub(crate) fn run(mut command: Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that fails early doesn't read its input.
    drop(child.stdin.take().unwrap().write_all(input));
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub(crate) fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Opens or makes a root of the default dataset. The clock shows noon of the day `today`.
pub(crate) async fn db_at(location: &str, today: &str, settings: Settings) -> Tallybook {
    let clock = Arc::new(FixedClock::noon_of(day(today)));
    Tallybook::builder(location).settings(settings).clock(clock).create().await.unwrap()
}

/// Opens or makes a root of that definition. The clock shows noon of the day `today`.
pub(crate) async fn db_with(
    location: &str,
    definition: &str,
    today: &str,
    settings: Settings,
) -> Tallybook {
    let clock = Arc::new(FixedClock::noon_of(day(today)));
    let db = Tallybook::builder(location).definition(definition, "test.toml");
    db.settings(settings).clock(clock).create().await.unwrap()
}

pub(crate) async fn append(db: &Tallybook, batch: &str, lines: &str) -> AppendReport {
    let input = Input::bytes(format!("{batch}.ndjson"), lines);
    let options =
        AppendOptions { batch: Some(BatchId::try_new(batch).unwrap()), ..Default::default() };
    db.append(vec![input], options).await.unwrap()
}

/// Appends the rows of these hours of each day. Each day is a batch, whose id is the day. Gives the
/// number of rows.
pub(crate) async fn append_days(
    db: &Tallybook,
    log: &SampleLog,
    first: &str,
    days: i32,
    hours: &[u8],
) -> u64 {
    let mut rows = 0;
    for offset in 0..days {
        let day = day(first).plus(offset);
        let lines: String = hours.iter().map(|hour| log.hour(day, *hour)).collect();
        rows += append(db, &day.to_string(), &lines).await.rows;
    }
    rows
}

pub(crate) async fn rollup(db: &Tallybook) -> usize {
    let mut built = 0;
    let days = RollupOptions { months: false, ..RollupOptions::default() };
    let done = db.rollup(&days, |report| {
        assert!(matches!(report.outcome, tallybook::Outcome::Built { .. }), "{report:?}");
        built += 1;
    });
    done.await.unwrap().into_result().unwrap();
    built
}

/// An answer as CSV, and its cost.
pub(crate) async fn csv(db: &Tallybook, sql: &str, route: Route) -> (String, Stats) {
    answer(db, &Query::sql(sql).by_route(route)).await
}

/// An answer as CSV, and its cost.
pub(crate) async fn answer(db: &Tallybook, query: &Query) -> (String, Stats) {
    let answered = try_answer(db, query).await;
    answered.unwrap_or_else(|error| panic!("{}\n{error}", query.sql))
}

/// The answer, which must be the same by the routes `raw` and `auto`, and the cost of `auto`.
pub(crate) async fn both(db: &Tallybook, sql: &str) -> (String, Stats) {
    let (raw, _) = csv(db, sql, Route::Raw).await;
    let (auto, stats) = csv(db, sql, Route::Auto).await;
    assert_eq!(raw, auto, "raw and auto differ for\n{sql}");
    (auto, stats)
}

/// Settings to reach a moto server. When none runs, reports the test of that name as skipped.
pub(crate) fn moto(test: &str) -> Option<Settings> {
    let Ok(endpoint) = std::env::var("TALLYBOOK_TEST_MOTO") else {
        eprintln!("SKIPPED: {test}: TALLYBOOK_TEST_MOTO names no moto server");
        return None;
    };
    let options = [
        ("aws_endpoint", endpoint.as_str()),
        ("aws_allow_http", "true"),
        ("aws_region", "us-east-1"),
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "test"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Some(Settings { store_options: options, ..Settings::default() })
}

/// A container of azurite, and settings to reach it. When none runs, reports the test of that name
/// as skipped.
pub(crate) fn azurite(test: &str) -> Option<(String, Settings)> {
    let Ok(container) = std::env::var("TALLYBOOK_TEST_AZURITE") else {
        eprintln!("SKIPPED: {test}: TALLYBOOK_TEST_AZURITE names no container of azurite");
        return None;
    };
    let options = vec![("azure_storage_use_emulator".to_owned(), "true".to_owned())];
    Some((container, Settings { store_options: options, ..Settings::default() }))
}

/// The folder of the public traces, if it exists.
pub(crate) fn traces_dir() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    path.is_dir().then_some(path)
}
