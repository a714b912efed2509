//! The `compact` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{CompactArgs, RootArgs},
        exit,
        render::{JobPrinter, counted},
        resolve, tell,
    },
    engine::CompactOptions,
};

pub(super) async fn run(root: &RootArgs, args: &CompactArgs) -> Result<ExitCode> {
    resolve::check_order(args.span.from, args.span.to)?;
    let db = resolve::open(root).await?;
    let options = CompactOptions {
        from: args.span.from,
        to: args.span.to,
        dry_run: args.dry_run,
        ..CompactOptions::default()
    };
    let mut printer = JobPrinter::default();
    let summary = db.compact(&options, |report| printer.report(report)).await?;
    let printed = printer.finish();
    tell(match (printer.days, args.dry_run) {
        (0, _) if !summary.failures.is_empty() => "no day was compacted".to_owned(),
        (0, _) => "no day has more raw files than it needs".to_owned(),
        (_, true) => days_done(&printer, true),
        (_, false) => format!("{}; `gc` deletes what was merged", days_done(&printer, false)),
    });
    exit::of_job(&summary.failures, printed)
}

/// The message that says how many days were compacted, or would be.
pub(super) fn days_done(printer: &JobPrinter, dry_run: bool) -> String {
    let days = counted(printer.days, "day", "days");
    format!("{days} {}", if dry_run { "would be compacted" } else { "compacted" })
}
