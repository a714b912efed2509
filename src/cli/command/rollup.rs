//! `rollup`.

use std::process::ExitCode;

use crate::{
    base::{Error, Result},
    build::{JobOptions, Outcome, Task},
    cli::{
        args::{RollupArgs, RootArgs},
        exit,
        render::{count, size},
        resolve, say, tell,
    },
};

pub(super) async fn run(root: &RootArgs, args: &RollupArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let options = JobOptions {
        from: args.from,
        to: args.to,
        names: args.name.clone(),
        dry_run: args.dry_run,
    };
    let mut tasks = 0_u64;
    let mut failed: Vec<Error> = Vec::new();
    let mut printed = Ok(());
    book.rollup(&options, |task, outcome| {
        tasks += 1;
        if let Outcome::Failed(error) = outcome {
            tell(format_args!("tallybook: {error}"));
            failed.push(Error::new(error.kind(), error.to_string()));
        } else if printed.is_ok() {
            printed = say(line(task, outcome));
        }
    })
    .await?;
    printed?;
    let summary = match (tasks, args.dry_run) {
        (0, _) => "every day is current; nothing to build".to_owned(),
        (tasks, true) => format!("{} segments would be built", count(tasks)),
        (tasks, false) => {
            let built = tasks - failed.len() as u64;
            format!("{} segments built, {} failed", count(built), failed.len())
        }
    };
    tell(summary);
    Ok(failed.first().map_or(ExitCode::SUCCESS, exit::code_of))
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
        Outcome::Planned | Outcome::Failed(_) => format!("{subject}: {}", task.reason),
    }
}
