//! `gc`.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{GcArgs, RootArgs},
        render::{count, size},
        resolve, say, tell,
    },
    jobs::GcOptions,
};

pub(super) async fn run(root: &RootArgs, args: &GcArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let (grace, abandoned) = (args.grace, args.abandoned);
    let options = GcOptions { grace, abandoned, dry_run: args.dry_run };
    let (mut files, mut bytes, mut printed) = (0, 0, Ok(()));
    book.gc(&options, |superseded| {
        files += 1;
        bytes += superseded.bytes;
        if printed.is_ok() {
            printed = say(&superseded.file);
        }
    })
    .await?;
    printed?;
    let done = if args.dry_run { "would be deleted" } else { "deleted" };
    tell(match files {
        0 => "nothing is superseded".to_owned(),
        files => format!("{} superseded files of {} {done}", count(files), size(bytes)),
    });
    Ok(ExitCode::SUCCESS)
}
