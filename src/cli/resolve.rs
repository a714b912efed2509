//! Turns arguments and the environment into settings. No other file reads the environment, except
//! that clap reads `TALLYBOOK_ROOT`.

use std::{path::PathBuf, sync::Arc};

use super::{
    args::{AnswerArgs, RootArgs, Setting},
    tell,
};
use crate::{
    base::{Day, Error, OnWarning, Result, Settings, Span},
    engine::{Builder, PriceTable, Tallybook},
};

/// The root's location when none is given.
pub(super) const DEFAULT_ROOT: &str = "./tallybook";

/// The beginnings of names of environment variables that are options of a store. Other variables
/// aren't passed to a store.
const STORE_OPTIONS: [&str; 3] = ["aws_", "google_", "azure_"];

/// The text of `RUST_LOG`, which says what is logged.
pub(super) fn log_filter() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
    let filter = std::env::var("RUST_LOG").ok();
    filter.filter(|filter| !filter.is_empty())
}

/// The settings of this process, from its environment.
pub(super) fn settings() -> Settings {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let cache_dir = cache_dir(&environment);
    let is_option =
        |(name, _): &(String, String)| STORE_OPTIONS.iter().any(|start| name.starts_with(start));
    let store_options = environment.into_iter().filter(is_option).collect();
    let warn = |message: &str| tell(format_args!("tallybook: warning: {message}"));
    let on_warning: Option<OnWarning> = Some(Arc::new(warn));
    Settings { store_options, cache_dir, on_warning, ..Settings::default() }
}

/// The price table in a file.
pub(super) fn price_table(path: &PathBuf) -> Result<Arc<PriceTable>> {
    PriceTable::parse(&read(path)?, &path.display().to_string()).map(Arc::new)
}

/// What the program takes beside the memory for sorts, groups and joins: its own code, the buffers
/// of files that are read, and rows between operators.
const PROGRAM_BYTES: usize = 256 << 20;

/// The folder where data of remote roots is cached. `TALLYBOOK_CACHE` names the folder; an empty
/// value means none. Without the variable, the folder is `tallybook` in the user's folder for
/// caches.
fn cache_dir(environment: &[(String, String)]) -> Option<PathBuf> {
    let find = |wanted: &str| {
        environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    match (find("tallybook_cache"), find("xdg_cache_home"), find("home")) {
        (Some(""), _, _) => None,
        (Some(folder), _, _) => Some(PathBuf::from(folder)),
        (None, Some(caches), _) if !caches.is_empty() => {
            Some(PathBuf::from(caches).join("tallybook"))
        }
        (None, _, home) => Some(PathBuf::from(home?).join(".cache/tallybook")),
    }
}

/// The location that the arguments name, or [`DEFAULT_ROOT`].
pub(super) fn location(args: &RootArgs) -> &str {
    args.root.as_deref().unwrap_or(DEFAULT_ROOT)
}

/// Opens the root that the arguments name.
pub(super) async fn open(args: &RootArgs) -> Result<Tallybook> {
    builder(args, settings()).open().await
}

/// Opens the root that the arguments name, with the limits and settings of a query's flags.
pub(super) async fn open_for_query(args: &RootArgs, answer: &AnswerArgs) -> Result<Tallybook> {
    let mut settings = settings();
    settings.max_staleness = answer.max_staleness.unwrap_or_default();
    settings.max_scan_bytes = answer.max_scan_bytes;
    settings.query_timeout = answer.timeout;
    settings.max_result_rows = answer.max_rows;
    if let Some(bytes) = answer.memory {
        settings.memory_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        settings.segment_cache_bytes = settings.segment_cache_bytes.min(settings.memory_bytes / 4);
    }
    settings.process_memory_bytes = Some(settings.memory_bytes.saturating_add(PROGRAM_BYTES));
    for setting in &answer.set {
        match setting {
            Setting::MinSpan(days) => settings.min_span_days = *days,
        }
    }
    builder(args, settings).open().await
}

/// Opens the root that the arguments name. If there is none, it is created once rows are
/// appended, with the definition in the file `dataset` or the default definition.
pub(super) async fn open_or_make(args: &RootArgs, dataset: Option<&PathBuf>) -> Result<Tallybook> {
    defined(args, dataset)?.create_with_first_rows().await
}

/// Opens the root that the arguments name, or creates it with the definition in the file
/// `dataset` or the default definition.
pub(super) async fn create(args: &RootArgs, dataset: Option<&PathBuf>) -> Result<Tallybook> {
    defined(args, dataset)?.create().await
}

/// Opens the root that the arguments name, and replaces its definition with the one in this file.
pub(super) async fn redefine(args: &RootArgs, definition: &PathBuf) -> Result<Tallybook> {
    defined(args, Some(definition))?.replace_definition().await
}

fn builder(args: &RootArgs, settings: Settings) -> Builder {
    Tallybook::builder(location(args)).settings(settings)
}

fn defined(args: &RootArgs, definition: Option<&PathBuf>) -> Result<Builder> {
    let builder = builder(args, settings());
    Ok(match definition {
        None => builder,
        Some(path) => builder.definition(read(path)?, path.display().to_string()),
    })
}

/// The text of a file.
pub(super) fn read(path: &PathBuf) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| Error::io(path.display(), error))
}

/// The first and the last day, both inclusive: from `--from` and `--to`, or the last days up to
/// today.
pub(super) fn days(
    from: Option<Day>,
    to: Option<Day>,
    last: Option<&str>,
    today: Day,
) -> Result<(Day, Day)> {
    let (first, last) = match (from, to, last) {
        (Some(from), to, None) => (from, to.unwrap_or(today)),
        (None, None, last) => {
            let days = last.map_or(Ok(30), count_of_days)?;
            (today.plus(1 - days), today)
        }
        _ => return Err(Error::invalid("--to needs --from, and --last stands alone")),
    };
    check_order(Some(first), Some(last))?;
    Ok((first, last))
}

/// The span from `--from` to `--to`, both inclusive. An end that isn't given is open.
pub(super) fn span(from: Option<Day>, to: Option<Day>) -> Result<Span> {
    check_order(from, to)?;
    Ok(Span::between(from, to))
}

/// Checks that `--to` isn't before `--from`.
pub(super) fn check_order(from: Option<Day>, to: Option<Day>) -> Result<()> {
    match (from, to) {
        (Some(from), Some(to)) if to < from => {
            Err(Error::invalid(format!("--to {to} is before --from {from}")))
        }
        _ => Ok(()),
    }
}

fn count_of_days(text: &str) -> Result<i32> {
    let count = text.strip_suffix('d').unwrap_or(text).parse().ok();
    count
        .filter(|count| (1..=100_000).contains(count))
        .ok_or_else(|| Error::invalid(format!("--last `{text}` is not a number of days like 30d")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let today = day("2026-03-31");
        let given = |from: Option<&str>, to: Option<&str>, last| {
            days(from.map(day), to.map(day), last, today).ok()
        };
        let (from, to) = (Some("2026-01-01"), Some("2026-01-31"));
        assert_eq!(given(from, to, None), Some((day("2026-01-01"), day("2026-01-31"))));
        assert_eq!(given(None, None, Some("7d")), Some((day("2026-03-25"), today)));
        assert_eq!(given(None, None, Some("7")), Some((day("2026-03-25"), today)));
        assert_eq!(given(None, None, None), Some((day("2026-03-02"), today)));
        assert_eq!(given(from, None, None), Some((day("2026-01-01"), today)));
        assert_eq!(given(to, from, None), None);
        assert_eq!(given(from, None, Some("7d")), None);
        assert_eq!(given(None, None, Some("soon")), None);
    }
}
