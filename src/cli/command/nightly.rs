//! The `nightly` command, which a scheduler runs.

use std::process::ExitCode;

use super::{compact::days_done, gc::tell_deleted, rollup::tell_built};
use crate::{
    base::Result,
    cli::{args::RootArgs, exit, render::JobPrinter, resolve, tell},
    engine::NightlyReport,
};

/// Builds the segments that finished days and months lack, merges days of many files, and deletes
/// replaced files. A part that fails doesn't stop the other parts. The first failure decides the
/// exit code.
pub(super) async fn run(root: &RootArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let (mut printer, mut bytes) = (JobPrinter::default(), 0);
    let night = db.nightly(|report| match report {
        NightlyReport::Job(report) => printer.report(report),
        NightlyReport::Deleted(file) => {
            bytes += file.bytes;
            printer.say(&file.file);
        }
        NightlyReport::Stopped(error) => printer.fail(error),
    });
    let night = night.await;
    let printed = printer.finish();
    let failed = !night.failures.is_empty();
    tell_built(&printer, false, failed);
    if printer.days > 0 {
        tell(days_done(&printer, false));
    }
    if night.deleted > 0 || !failed {
        tell_deleted(night.deleted, bytes, false);
    }
    exit::of_job(&night.failures, printed)
}
