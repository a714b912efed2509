//! `purge`.

use std::process::ExitCode;

use crate::{
    base::{Error, Result},
    cli::{
        args::{PurgeArgs, RootArgs},
        exit,
        render::{count, size},
        resolve, say, tell,
    },
    engine::{Purge, PurgeOptions},
};

pub(super) async fn run(root: &RootArgs, args: &PurgeArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let options = PurgeOptions { older_than_days: args.older_than, dry_run: args.dry_run };
    let (mut days, mut total, mut failed, mut printed) = (0, 0, None, Ok(()));
    book.purge(&options, |day, done| match done {
        Purge::Planned { bytes } | Purge::Purged { bytes } => {
            days += 1;
            total += bytes;
            if printed.is_ok() {
                printed = say(format_args!("{day}: {}", size(*bytes)));
            }
        }
        Purge::Overtaken => tell(format_args!("{day}: stays; it changed meanwhile")),
        Purge::Failed(error) => {
            tell(format_args!("tallybook: {error}"));
            failed.get_or_insert_with(|| Error::new(error.kind(), error.to_string()));
        }
    })
    .await?;
    printed?;
    let (what, total) = (count(days), size(total));
    tell(match (days, args.dry_run) {
        (0, _) => "no day to purge".to_owned(),
        (_, true) => format!("raw rows of {what} days would be purged, {total}"),
        (_, false) => format!(
            "raw rows of {what} days purged, {total}; rollups keep answering, and `gc` deletes the \
             files after its grace period"
        ),
    });
    Ok(failed.as_ref().map_or(ExitCode::SUCCESS, exit::code_of))
}
