//! `rollup`.

use std::process::ExitCode;

use super::compact;
use crate::{
    base::{Error, ErrorKind, Result},
    cli::{
        args::{RollupArgs, RootArgs},
        exit,
        render::{count, size},
        resolve, say, tell,
    },
    engine::Tallybook,
    jobs::CompactOptions,
    jobs::{JobOptions, Outcome, Task},
    store::Period,
};

pub(super) async fn run(root: &RootArgs, args: &RollupArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let options = JobOptions {
        from: args.from,
        to: args.to,
        names: args.name.clone(),
        dry_run: args.dry_run,
    };
    let (mut tasks, mut no_source) = (0_u64, 0_u64);
    let mut failed: Vec<Error> = Vec::new();
    let mut printed = Ok(());
    let done = book.rollup(&options, |task, outcome| {
        match outcome {
            Outcome::NoSource => {
                no_source += 1;
                return;
            }
            Outcome::Failed(error) => {
                tell(format_args!("tallybook: {error}"));
                failed.push(Error::new(error.kind(), error.to_string()));
            }
            _ if printed.is_ok() => printed = say(line(task, outcome)),
            _ => {}
        }
        tasks += 1;
    });
    let done = done.await;
    let failures = failed.len() as u64;
    go_on(done, &mut failed)?;
    printed?;
    tell(match (tasks, args.dry_run) {
        (0, _) => "every day is current; nothing to build".to_owned(),
        (tasks, true) => format!("{} segments would be built", count(tasks)),
        (tasks, false) => {
            let built = tasks - failures;
            format!("{} segments built, {} failed", count(built), count(failures))
        }
    });
    if no_source > 0 {
        tell(format_args!(
            "{} segments have nothing to be built of: the raw rows of their days were purged",
            count(no_source)
        ));
    }
    let months = months(&book, &options, &mut failed).await?;
    if months > 0 {
        let done = if args.dry_run { "would be built" } else { "built" };
        tell(format_args!("{} segments of whole months {done}", count(months)));
    }
    if let Some(options) = compaction(args) {
        let (days, errors) = compact::compact(&book, &options).await?;
        failed.extend(errors);
        if days > 0 {
            let done = if args.dry_run { "would be compacted" } else { "compacted" };
            tell(format_args!("{} days {done}", count(days)));
        }
    }
    Ok(failed.first().map_or(ExitCode::SUCCESS, exit::code_of))
}

/// Damaged days were left out, which the exit code says; anything else stops the job.
pub(super) fn go_on(done: Result<()>, failed: &mut Vec<Error>) -> Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            tell(format_args!("tallybook: {error}"));
            failed.push(error);
            Ok(())
        }
        done => done,
    }
}

/// Builds what quiet months lack, and says each; how many were built.
async fn months(book: &Tallybook, options: &JobOptions, failed: &mut Vec<Error>) -> Result<u64> {
    let (mut months, mut printed) = (0, Ok(()));
    book.rollup_months(options, |month, rollup, outcome| {
        if let Outcome::Failed(error) = outcome {
            tell(format_args!("tallybook: {error}"));
            failed.push(Error::new(error.kind(), error.to_string()));
            return;
        }
        months += 1;
        let subject = format!("{} {}", Period::Month.name(month), rollup.name());
        if printed.is_ok() {
            printed = match outcome {
                Outcome::Built { built, took } => say(format_args!(
                    "{subject}: {} rows, {}, {} ms",
                    count(built.rows_out),
                    size(built.bytes),
                    took.as_millis()
                )),
                _ => say(format_args!("{subject}: missing")),
            };
        }
    })
    .await?;
    printed?;
    Ok(months)
}

/// Which days to compact, if any: with only some rollups built there is nothing to say of the
/// others.
fn compaction(args: &RollupArgs) -> Option<CompactOptions> {
    let files_max = match (args.compact, args.no_compact || !args.name.is_empty()) {
        (true, _) => CompactOptions::default().files_max,
        (false, true) => return None,
        (false, false) => CompactOptions::NIGHTLY_FILES_MAX,
    };
    Some(CompactOptions { from: args.from, to: args.to, files_max, dry_run: args.dry_run })
}

fn line(task: &Task<'_>, outcome: &Outcome) -> String {
    let subject = format!("{} {}", task.day, task.rollup.name());
    match outcome {
        Outcome::Built { built, took } => format!(
            "{subject}: {} rows in, {} rows out, {}, {} ms ({})",
            count(built.rows_in),
            count(built.rows_out),
            size(built.bytes),
            took.as_millis(),
            task.reason
        ),
        Outcome::Planned | Outcome::NoSource | Outcome::Failed(_) => {
            format!("{subject}: {}", task.reason)
        }
    }
}
