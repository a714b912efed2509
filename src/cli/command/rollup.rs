//! The `rollup` command.

use std::process::ExitCode;

use super::compact;
use crate::{
    base::Result,
    cli::{
        args::{RollupArgs, RootArgs},
        exit,
        render::{JobPrinter, counted},
        resolve, tell,
    },
    engine::{CompactOptions, RollupOptions},
};

pub(super) async fn run(root: &RootArgs, args: &RollupArgs) -> Result<ExitCode> {
    resolve::check_order(args.from, args.to)?;
    let db = resolve::open(root).await?;
    let options = RollupOptions {
        from: args.from,
        to: args.to,
        names: args.name.clone(),
        months: true,
        dry_run: args.dry_run,
    };
    let mut printer = JobPrinter::default();
    let mut failures = db.rollup(&options, |report| printer.report(report)).await?.failures;
    tell_built(&printer, args.dry_run, !failures.is_empty());
    if let Some(options) = compaction(args) {
        let summary = db.compact(&options, |report| printer.report(report)).await?;
        failures.extend(summary.failures);
        if printer.days > 0 {
            tell(compact::days_done(&printer, args.dry_run));
        }
    }
    exit::of_job(&failures, printer.finish())
}

/// Prints how many segments were built, or would be.
pub(super) fn tell_built(printer: &JobPrinter, dry_run: bool, failed: bool) {
    let segments = counted(printer.segments, "segment", "segments");
    tell(match (printer.segments, printer.failed_segments, dry_run) {
        (0, 0, _) if failed => "no segment was built".to_owned(),
        (0, 0, _) => "every day is current; nothing to build".to_owned(),
        (_, _, true) => format!("{segments} would be built"),
        (_, failed, false) => format!("{segments} built, {failed} failed"),
    });
    if printer.no_source > 0 {
        let segments = counted(printer.no_source, "segment has", "segments have");
        tell(format_args!(
            "{segments} nothing to be built of: the raw rows of these days were purged"
        ));
    }
    if printer.months > 0 {
        let months =
            counted(printer.months, "segment of a whole month", "segments of whole months");
        let done = if dry_run { "would be built" } else { "built" };
        tell(format_args!("{months} {done}"));
    }
}

/// Which days to compact, if any. When only some rollups are built, nothing is known of the other
/// rollups, so no day is compacted without `--compact`.
fn compaction(args: &RollupArgs) -> Option<CompactOptions> {
    let files_max = match (args.compact, args.no_compact || !args.name.is_empty()) {
        (true, _) => CompactOptions::default().files_max,
        (false, true) => return None,
        (false, false) => CompactOptions::NIGHTLY_FILES_MAX,
    };
    Some(CompactOptions { from: args.from, to: args.to, files_max, dry_run: args.dry_run })
}
