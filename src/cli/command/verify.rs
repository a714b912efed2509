//! The `verify` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{RootArgs, SpanArgs},
        exit,
        render::count,
        resolve, say, tell,
    },
};

pub(super) async fn run(root: &RootArgs, args: &SpanArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let (mut files, mut rows) = (0, 0);
    let found = db
        .verify(resolve::span(args.from, args.to)?, |checked| {
            files += 1;
            rows += checked.rows;
        })
        .await?;
    Ok(match found {
        None => {
            say(format_args!(
                "{} files with {} rows are as they should be",
                count(files),
                count(rows)
            ))?;
            ExitCode::SUCCESS
        }
        Some(difference) => {
            say(difference)?;
            tell(format_args!("{} files before it are as they should be", count(files)));
            ExitCode::from(exit::NO)
        }
    })
}
