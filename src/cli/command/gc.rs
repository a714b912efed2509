//! The `gc` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{GcArgs, RootArgs},
        render::{counted, size},
        resolve, say, tell,
    },
    engine::GcOptions,
};

pub(super) async fn run(root: &RootArgs, args: &GcArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let (grace, abandoned) = (args.grace, args.abandoned);
    let options = GcOptions { grace, abandoned, dry_run: args.dry_run };
    let (mut files, mut bytes, mut printed) = (0, 0, Ok(()));
    db.gc(&options, |superseded| {
        files += 1;
        bytes += superseded.bytes;
        if printed.is_ok() {
            printed = say(&superseded.file);
        }
    })
    .await?;
    tell_deleted(files, bytes, args.dry_run);
    printed.map(|()| ExitCode::SUCCESS)
}

/// Prints how much was deleted, or would be.
pub(super) fn tell_deleted(files: u64, bytes: u64, dry_run: bool) {
    let done = if dry_run { "would be deleted" } else { "deleted" };
    let superseded = counted(files, "superseded file", "superseded files");
    tell(match files {
        0 => "nothing is superseded".to_owned(),
        _ => format!("{superseded} of {} {done}", size(bytes)),
    });
}
