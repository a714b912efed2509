//! Prints a job's reports for people. What was done goes to standard output, all else to standard
//! error.

use std::collections::BTreeSet;

use super::{counted, size};
use crate::{
    base::{Error, Result},
    cli::{say, tell},
    engine::{JobReport, Outcome, Period, Plan, RawFiles},
};

/// Prints a job's reports, and counts them.
#[derive(Debug, Default)]
pub(crate) struct JobPrinter {
    /// Segments of days that were built, or would be.
    pub(crate) segments: u64,
    /// Segments of days and months that failed.
    pub(crate) failed_segments: u64,
    /// Failures. Each message is printed once, although several jobs may meet the same damage.
    pub(crate) failures: usize,
    /// Segments of months that were built, or would be.
    pub(crate) months: u64,
    /// Segments that can't be built, because their day's raw rows were purged.
    pub(crate) no_source: u64,
    /// Days that were changed, or would be.
    pub(crate) days: u64,
    /// Total size of the raw files of compacted or purged days before the change, in bytes.
    pub(crate) bytes: u64,
    /// Purged days, which keep their prices.
    pub(crate) keep_prices: u64,
    /// Purged days whose remains don't say whose rows they count.
    pub(crate) not_told: u64,
    /// The messages of failures that were printed.
    told: BTreeSet<String>,
    /// The result of printing so far: the first error of standard output, if any.
    printed: Option<Result<()>>,
}

impl JobPrinter {
    /// Prints and counts the outcome for a day or month, or for a part of it.
    pub(crate) fn report(&mut self, report: &JobReport) {
        let subject = report.subject.as_deref().unwrap_or_default();
        let (period, outcome) = (report.period, &report.outcome);
        match outcome {
            Outcome::Planned(Plan::Build(_)) | Outcome::Built { .. } => match period {
                Period::Day(_) => self.segments += 1,
                Period::Month(_) => self.months += 1,
            },
            Outcome::Planned(Plan::Compact(files) | Plan::Purge(files))
            | Outcome::Purged(files)
            | Outcome::Compacted { before: files, .. } => {
                self.days += 1;
                self.bytes += files.bytes;
            }
            Outcome::Planned(_) | Outcome::Erased | Outcome::Repriced { .. } => self.days += 1,
            Outcome::KeepsPrices => self.keep_prices += 1,
            Outcome::NoSource => self.no_source += 1,
            Outcome::NotTold => self.not_told += 1,
            Outcome::Failed(error) => {
                self.failed_segments += u64::from(report.subject.is_some());
                self.failures += 1;
                self.fail(error);
            }
            outcome => tell_why(period, subject, outcome),
        }
        if let Some(line) = line(period, subject, outcome) {
            self.say(line);
        }
    }

    /// Prints a failure, unless the same failure was printed before.
    pub(crate) fn fail(&mut self, error: &Error) {
        if self.told.insert(error.to_string()) {
            tell(format_args!("tallybook: {error}"));
        }
    }

    /// Prints a line of output.
    pub(crate) fn say(&mut self, line: impl std::fmt::Display) {
        if !matches!(self.printed, Some(Err(_))) {
            self.printed = Some(say(line));
        }
    }

    /// Ends printing.
    ///
    /// # Errors
    /// The first error of standard output.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.printed.take().unwrap_or(Ok(()))
    }
}

/// The line of output, if something was done or would be.
fn line(period: Period, subject: &str, outcome: &Outcome) -> Option<String> {
    Some(match outcome {
        Outcome::Planned(Plan::Build(reason)) => format!("{period} {subject}: {reason}"),
        Outcome::Built { reason, rows_in, rows_out, bytes, took } => {
            let rows = match period {
                Period::Day(_) => format!(
                    "{} in, {} out",
                    counted(*rows_in, "row", "rows"),
                    counted(*rows_out, "row", "rows")
                ),
                Period::Month(_) => counted(*rows_out, "row", "rows"),
            };
            let (size, took) = (size(*bytes), took.as_millis());
            format!("{period} {subject}: {rows}, {size}, {took} ms ({reason})")
        }
        Outcome::Planned(Plan::Compact(before)) => format!("{period}: {}", files_of(before)),
        Outcome::Compacted { before, after, rows, took } => format!(
            "{period}: {} to {} of {}, {}, {} ms",
            files_of(before),
            after.count,
            size(after.bytes),
            counted(*rows, "row", "rows"),
            took.as_millis()
        ),
        Outcome::Planned(Plan::Purge(files)) | Outcome::Purged(files) => match subject {
            "" => format!("{period}: {}", size(files.bytes)),
            rollup => format!("{period} {rollup}: {}", size(files.bytes)),
        },
        Outcome::Planned(Plan::Erase) | Outcome::Erased => period.to_string(),
        Outcome::Planned(Plan::Reprice { calls }) | Outcome::Repriced { calls } => {
            format!("{period}: {}", counted(*calls, "call", "calls"))
        }
        _ => return None,
    })
}

fn files_of(files: &RawFiles) -> String {
    let count = counted(files.count as u64, "file", "files");
    format!("{count} of {}", size(files.bytes))
}

/// Prints why nothing was done, or why a rollup lost its answer for a day.
fn tell_why(period: Period, subject: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Dropped => tell(format_args!(
            "{period}: its raw rows were purged, and rollup {subject} doesn't tell whose rows it \
             counts; the rollup has no answer for this day any more"
        )),
        Outcome::OwnersFile => tell(format_args!(
            "{period}: {subject} is not of this program's making and holds such rows; it doesn't \
             count, and is its owner's to delete"
        )),
        Outcome::Waits(rollups) => tell(format_args!(
            "{period}: waits until {} is current; run `rollup`",
            rollups.join(", ")
        )),
        Outcome::Overtaken => tell(format_args!(
            "{period}: nothing was done, as somebody else changed the day meanwhile; the next run \
             looks again"
        )),
        _ => {}
    }
}
