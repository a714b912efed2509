//! The `purge` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{PurgeArgs, RootArgs},
        exit,
        render::{JobPrinter, counted, size},
        resolve, tell,
    },
    engine::PurgeOptions,
};

pub(super) async fn run(root: &RootArgs, args: &PurgeArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let options = PurgeOptions { older_than_days: args.older_than, dry_run: args.dry_run };
    let mut printer = JobPrinter::default();
    let summary = db.purge(&options, |report| printer.report(report)).await?;
    let printed = printer.finish();
    let (days, total) = (counted(printer.days, "day", "days"), size(printer.bytes));
    tell(match (printer.days, args.dry_run) {
        (0, _) if !summary.failures.is_empty() => "no day was purged".to_owned(),
        (0, _) => "no day to purge".to_owned(),
        (_, true) => format!("raw rows of {days} would be purged, {total}"),
        (_, false) => format!(
            "raw rows of {days} purged, {total}; rollups keep answering, and `gc` deletes the files \
             after its grace period"
        ),
    });
    exit::of_job(&summary.failures, printed)
}
