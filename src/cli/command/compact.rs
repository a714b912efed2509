//! `compact`, and what `rollup` does of it.

use std::process::ExitCode;

use super::rollup::go_on;
use crate::{
    base::{Error, Result},
    cli::{
        args::{CompactArgs, RootArgs},
        exit,
        render::{count, size},
        resolve, say, tell,
    },
    engine::Tallybook,
    jobs::{CompactOptions, CompactTask, Compaction},
};

pub(super) async fn run(root: &RootArgs, args: &CompactArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let options = CompactOptions {
        from: args.span.from,
        to: args.span.to,
        dry_run: args.dry_run,
        ..CompactOptions::default()
    };
    let (days, failed) = compact(&book, &options).await?;
    tell(match (days, args.dry_run) {
        (0, _) => "no day has more raw files than it needs".to_owned(),
        (days, true) => format!("{} days would be compacted", count(days)),
        (days, false) => format!("{} days compacted; `gc` deletes what was merged", count(days)),
    });
    Ok(failed.first().map_or(ExitCode::SUCCESS, exit::code_of))
}

/// Compacts, and says each day; how many days were, and what failed.
pub(super) async fn compact(
    book: &Tallybook,
    options: &CompactOptions,
) -> Result<(u64, Vec<Error>)> {
    let (mut days, mut failed, mut printed) = (0, Vec::new(), Ok(()));
    let done = book.compact(options, |task, done| {
        match done {
            Compaction::Failed(error) => {
                tell(format_args!("tallybook: {error}"));
                failed.push(Error::new(error.kind(), error.to_string()));
                return;
            }
            Compaction::Waits(rollups) => {
                let rollups = rollups.join(", ");
                tell(format_args!("{}: waits until {rollups} is current; run `rollup`", task.day));
                return;
            }
            Compaction::Overtaken => {
                tell(format_args!("{}: somebody else compacted it meanwhile", task.day));
                return;
            }
            Compaction::Planned | Compaction::Compacted { .. } => days += 1,
        }
        if printed.is_ok() {
            printed = say(line(task, done));
        }
    });
    go_on(done.await, &mut failed)?;
    printed?;
    Ok((days, failed))
}

fn line(task: &CompactTask, done: &Compaction) -> String {
    let (day, files, before) = (task.day, count(task.files as u64), size(task.bytes));
    match done {
        Compaction::Compacted { files: after, rows, bytes, took } => format!(
            "{day}: {files} files of {before} to {after} of {}, {} rows, {} ms",
            size(*bytes),
            count(*rows),
            took.as_millis()
        ),
        _ => format!("{day}: {files} files of {before}"),
    }
}
