//! The `files` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{RootArgs, SpanArgs},
        resolve, say,
    },
};

pub(super) async fn run(root: &RootArgs, args: &SpanArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    for file in db.files(resolve::span(args.from, args.to)?).await? {
        say(file)?;
    }
    Ok(ExitCode::SUCCESS)
}
