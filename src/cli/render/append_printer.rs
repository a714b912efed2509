//! Prints what an append did.

use std::time::Instant;

use super::{
    numbers::{count, counted, size},
    print_rows,
};
use crate::{
    base::Result,
    cli::tell,
    engine::{AppendReport, SourceRead},
};

/// How many names of ignored fields are printed.
const IGNORED_MAX: usize = 10;

/// How many reasons are printed why rows have no price.
const REASONS_MAX: usize = 5;

/// Prints the report of an append.
pub(in crate::cli) struct AppendPrinter {
    /// Whether the caller named the batch.
    pub(in crate::cli) named: bool,
    pub(in crate::cli) started: Instant,
}

impl AppendPrinter {
    /// Prints what was appended, to standard error.
    pub(in crate::cli) fn print(&self, report: &AppendReport) {
        print_reading(report);
        if report.rows == 0 {
            tell(self.no_rows(report));
            return;
        }
        let (rows, rejects) = (counted(report.rows, "row", "rows"), rejects(report));
        if self.named && report.leaves_new == 0 && report.leaves > 0 {
            let batch = &report.batch;
            tell(format_args!(
                "batch {batch} was appended before; nothing changed ({rows}, {rejects})"
            ));
            return;
        }
        // The rows of known kinds of logs have events, so the same input again changes nothing.
        if !self.named && report.sources.is_empty() {
            tell(format_args!(
                "batch {} is random: the same input again would count twice; name it with --batch",
                report.batch
            ));
        }
        let days = days(report);
        let (bytes, leaves) = (size(report.bytes), counted(report.leaves as u64, "leaf", "leaves"));
        let speed = self.speed(report);
        print_copies(report);
        print_prices(report);
        tell(format_args!(
            "appended {rows} of {days}: {bytes} in {leaves}, {rejects}, {speed} rows/s"
        ));
    }

    /// Prints what would be appended: the first rows to standard output, and the rest to standard
    /// error.
    ///
    /// # Errors
    /// An error of writing.
    pub(in crate::cli) fn print_dry_run(&self, report: &AppendReport) -> Result<()> {
        print_reading(report);
        print_rows(&report.first_rows)?;
        if report.rows == 0 {
            tell(self.no_rows(report));
            return Ok(());
        }
        print_copies(report);
        print_prices(report);
        let (rows, rejects) = (counted(report.rows, "row", "rows"), rejects(report));
        tell(format_args!(
            "would append {rows} of {}, {rejects}; nothing was changed",
            days(report)
        ));
        Ok(())
    }

    fn no_rows(&self, report: &AppendReport) -> String {
        let held = match (report.rejected, report.records) {
            (0, 0) => "the input held no rows".to_owned(),
            (0, records) => {
                format!("the input held no calls in {}", counted(records, "record", "records"))
            }
            (count, _) => format!("the input held no good rows ({count} rejects)"),
        };
        if self.named {
            let batch = &report.batch;
            format!("{held}: nothing was appended, and batch id {batch} was not used up")
        } else {
            format!("{held}: nothing was appended")
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a speed for people"
    )]
    fn speed(&self, report: &AppendReport) -> String {
        count((report.rows as f64 / self.started.elapsed().as_secs_f64().max(1e-9)) as u64)
    }
}

/// Prints how the input was read, and what was left out of it.
fn print_reading(report: &AppendReport) {
    for SourceRead { name, inputs, records } in &report.sources {
        let (records, inputs) =
            (counted(*records, "record", "records"), counted(*inputs, "input", "inputs"));
        tell(format_args!("read {inputs} as {name}: {records}"));
    }
    for name in &report.left_out {
        tell(format_args!("left out {name}: no kind of log is recognized in it"));
    }
    if !report.skipped.is_empty() {
        let rows: u64 = report.skipped.iter().map(|(_, rows)| rows).sum();
        let reasons = report.skipped.iter().map(|(why, rows)| format!("{}: {why}", count(*rows)));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        tell(format_args!("left out {} ({reasons})", counted(rows, "row", "rows")));
    }
    if !report.ignored.is_empty() {
        let mut names: Vec<_> = report.ignored.iter().collect();
        // Names that may be misspelt come first.
        names.sort_by_key(|(_, meant)| meant.is_none());
        let shown = names.iter().take(IGNORED_MAX).map(|(name, meant)| match meant {
            Some(meant) => format!("{name} (did you mean {meant}?)"),
            None => name.clone(),
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(IGNORED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        tell(format_args!("ignored fields: {shown}{more}"));
    }
    for line in &report.reject_reasons {
        tell(format_args!("rejected {line}"));
    }
    for (what, rows) in &report.warnings {
        tell(format_args!("warning: {} {what}", counted(*rows, "row has", "rows have")));
    }
}

/// Tells which rows have a price, and why others have none.
fn print_prices(report: &AppendReport) {
    let Some(prices) = &report.prices else { return };
    for (what, rows) in &prices.assumed {
        tell(format_args!("priced {} by {what}", counted(*rows, "row", "rows")));
    }
    let (priced, table) = (counted(prices.priced, "row", "rows"), &prices.table);
    let without: u64 = prices.unpriced.iter().map(|(_, rows)| rows).sum();
    if without == 0 {
        tell(format_args!("priced {priced} by {table}"));
        return;
    }
    let reasons = prices.unpriced.iter().take(REASONS_MAX);
    let reasons = reasons.map(|(why, rows)| format!("{}: {why}", count(*rows)));
    let mut reasons: Vec<_> = reasons.collect();
    let more = prices.unpriced.len().saturating_sub(REASONS_MAX);
    if more > 0 {
        reasons.push(counted(more as u64, "other reason", "other reasons"));
    }
    let without = counted(without, "row has", "rows have");
    let reasons = reasons.join("; ");
    tell(format_args!("priced {priced} by {table}; {without} no price ({reasons})"));
}

/// Tells of rows that are copies of known events.
fn print_copies(report: &AppendReport) {
    if report.copies > 0 {
        let copies = counted(report.copies, "row is a copy", "rows are copies");
        let new = counted(report.rows - report.copies, "event is", "events are");
        tell(format_args!("{copies} of known events, each of which counts once; {new} new"));
    }
}

fn rejects(report: &AppendReport) -> String {
    counted(report.rejected, "reject", "rejects")
}

fn days(report: &AppendReport) -> String {
    match report.days.as_slice() {
        [] => "0 days".to_owned(),
        [day] => format!("1 day ({day})"),
        [first, .., last] => format!("{} days ({first} to {last})", report.days.len()),
    }
}
