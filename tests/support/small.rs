//! A root of [`SMALL_LOG`](super::SMALL_LOG), used by the command line.

use std::path::PathBuf;

use super::{Ran, SMALL_LOG, Sandbox};

/// A root in a sandbox, used by the command line.
pub(crate) struct Small {
    pub(crate) sandbox: Sandbox,
}

impl Small {
    pub(crate) fn new() -> Self {
        Self::of(SMALL_LOG)
    }

    /// A root of that definition.
    pub(crate) fn of(definition: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("small.toml", definition);
        sandbox.run(&["init", "small.toml"]).ok();
        Self { sandbox }
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        self.sandbox.run(&line.split(' ').collect::<Vec<_>>())
    }

    /// Appends a row for each day and person, with the value `v`.
    pub(crate) fn append(&self, batch: &str, days: &[&str], who: &[&str], v: i64) -> Ran {
        self.append_lines(batch, &lines(days, who, v))
    }

    /// Appends these lines of NDJSON.
    pub(crate) fn append_lines(&self, batch: &str, lines: &str) -> Ran {
        let args = ["append", "--batch", batch, "--format", "ndjson"];
        self.sandbox.run_with(&args, lines.as_bytes())
    }

    /// Runs a query by that route, with rollups also for short spans. The answer is CSV.
    pub(crate) fn query(&self, route: &str, sql: &str) -> Ran {
        let args = ["query", sql, "--format", "csv", "--route", route];
        self.sandbox.run(&[&args[..], &["--set", "rollup.min_span=0"]].concat())
    }

    /// Appends by a process that dies at that failpoint.
    pub(crate) fn append_and_die(&self, step: &str, batch: &str, days: &[&str], who: &[&str]) {
        let mut command = self.sandbox.command(&["append", "--batch", batch, "--format", "ndjson"]);
        command.env("FAILPOINTS", format!("{step}=return"));
        let ran = super::run(command, lines(days, who, 1).as_bytes());
        assert_eq!(ran.code, -1, "{ran:?}");
    }

    /// The number of rows of each day and person, as `day who count`, by that route.
    pub(crate) fn counts(&self, route: &str) -> Vec<String> {
        let ran = self.ask(route, "").ok();
        ran.out.lines().skip(1).map(|line| line.replace(',', " ")).collect()
    }

    /// The number of rows of each day and person as CSV, of the rows that meet the filter.
    pub(crate) fn ask(&self, route: &str, filter: &str) -> Ran {
        let sql = format!(
            "SELECT CAST(date AS TEXT) AS d, who, count(*) AS n FROM log {filter} GROUP BY 1, 2 \
             ORDER BY 1, 2"
        );
        self.query(route, &sql)
    }

    /// The raw files of a day whose names start with `start`.
    pub(crate) fn raw(&self, day: &str, start: &str) -> Vec<PathBuf> {
        let files = self.sandbox.files(&format!("raw/date={day}")).into_iter();
        let is_named = |file: &PathBuf| {
            file.file_name().and_then(|name| name.to_str()).unwrap().starts_with(start)
        };
        files.filter(is_named).collect()
    }

    /// Writes a file into a day's folder as another tool would, with the rows of that query.
    pub(crate) fn foreign(&self, day: &str, name: &str, sql: &str) -> PathBuf {
        let mut command = self.sandbox.command(&["query", sql, "--format", "parquet"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = self.sandbox.root().join(format!("raw/date={day}/{name}"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, output.stdout).unwrap();
        file
    }
}

fn lines(days: &[&str], who: &[&str], v: i64) -> String {
    let row = |day: &&str, who: &&str| {
        format!("{{\"at\":\"{day}T05:00:00Z\",\"who\":\"{who}\",\"v\":{v}}}\n")
    };
    days.iter().flat_map(|day| who.iter().map(move |who| row(day, who))).collect()
}

/// Flips a bit in the middle of a file.
pub(crate) fn flip(file: &std::path::Path) {
    let mut content = std::fs::read(file).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(file, content).unwrap();
}
