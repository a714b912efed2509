//! Reports of a job on each day and month, and the sum of all reports.

use std::{fmt, time::Duration};

use crate::{
    base::{Day, Error, Span},
    model::{LeafDay, Period, Snapshot},
    store::{Root, lost_file},
};

/// A job's report on a day or month, or on a part of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct JobReport {
    /// The day or month, UTC.
    pub period: Period,
    /// The rollup or the file that the report is about; `None` for the day's raw rows.
    pub subject: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a job for a day or month, or for a part of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing was done, as it was a dry run: the plan says what would be done.
    Planned(Plan),
    /// The rollup's segment was built.
    Built {
        /// Why it was built.
        reason: BuildReason,
        /// The number of raw rows that the segment was built from.
        rows_in: u64,
        /// The number of rows in the segment.
        rows_out: u64,
        /// The segment's size, in bytes.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// The day's raw rows were merged into fewer files.
    Compacted {
        /// The number and size of the files before.
        before: RawFiles,
        /// The number and size of the files now.
        after: RawFiles,
        /// The number of rows in the files.
        rows: u64,
        /// How long it took.
        took: Duration,
    },
    /// The day's raw rows no longer count. The rows that remain for each rollup count instead.
    Purged(RawFiles),
    /// The day's matching rows no longer count.
    Erased,
    /// The day's rows were priced by another table.
    Repriced {
        /// The number of calls whose cost or price table changed.
        calls: u64,
    },
    /// Nothing was done: the day's raw rows were purged, so its costs stay as they are.
    KeepsPrices,
    /// The rows that remained of a purged day for this rollup were deleted. They didn't show
    /// which of them counted erased rows, and another rollup's rows showed that there were some.
    Dropped,
    /// Nothing was done: the day's raw rows were purged, so there is nothing to build the segment
    /// from.
    NoSource,
    /// Nothing was done: these rollups must be current first.
    Waits(Vec<String>),
    /// Nothing was done: another writer changed the day meanwhile.
    Overtaken,
    /// Nothing was done: the day was purged, and its remains can't show whether they count rows
    /// to erase.
    NotTold,
    /// Nothing was done: the file holds rows to erase, but is another tool's or a copy of one of
    /// ours. The file doesn't count, and only its owner may delete it.
    OwnersFile,
    /// The work on the subject failed; the job went on with the rest.
    Failed(Error),
}

/// The action that a dry run would have taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plan {
    /// Build the rollup's segment.
    Build(BuildReason),
    /// Merge these files.
    Compact(RawFiles),
    /// Purge the rows of these files.
    Purge(RawFiles),
    /// Erase rows of the day.
    Erase,
    /// Price the day's rows by another table.
    Reprice {
        /// The number of calls whose cost or price table would change.
        calls: u64,
    },
}

/// The reason why a segment is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildReason {
    /// The day or month has no segment.
    Missing,
    /// The day's segment lacks some leaves.
    Behind {
        /// The number of leaves that arrived since.
        leaves: usize,
    },
}

impl fmt::Display for BuildReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Behind { leaves: 1 } => f.write_str("behind by 1 leaf"),
            Self::Behind { leaves } => write!(f, "behind by {leaves} leaves"),
        }
    }
}

/// The number and size of a day's raw files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFiles {
    /// The number of files.
    pub count: usize,
    /// Their size, in bytes.
    pub bytes: u64,
}

impl RawFiles {
    /// The files with these sizes, in bytes.
    pub(crate) fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        let sum = |files: Self, bytes| Self { count: files.count + 1, bytes: files.bytes + bytes };
        sizes.into_iter().fold(Self::default(), sum)
    }

    /// The day's files that hold raw rows.
    pub(crate) fn of_day(live: &LeafDay) -> Self {
        let leaves = live.leaves.iter().filter(|leaf| !leaf.is_purged());
        Self::of(leaves.map(|leaf| leaf.file.size))
    }
}

/// The sum of a job's reports. A job goes on when a day fails, so check
/// [`failures`](Self::failures), or turn them into an error with
/// [`into_result`](Self::into_result).
#[must_use = "a job goes on when a day fails, and this says which did"]
#[derive(Debug, Default)]
pub struct JobSummary {
    /// The number of things that were done, or would be in a dry run.
    pub done: u64,
    /// The failures, in the order of the reports.
    pub failures: Vec<Error>,
}

impl JobSummary {
    /// The number of things that were done, if nothing failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn into_result(self) -> Result<u64, Error> {
        self.failures.into_iter().next().map_or(Ok(self.done), Err)
    }
}

/// Passes each report to the caller, and sums the reports up.
pub(crate) struct Reporter<F> {
    tell: F,
    summary: JobSummary,
}

impl<F: FnMut(&JobReport) + Send> Reporter<F> {
    /// A reporter that calls the function `tell`.
    pub(crate) fn new(tell: F) -> Self {
        Self { tell, summary: JobSummary::default() }
    }

    /// Reports the outcome for a day's raw rows.
    pub(crate) fn day(&mut self, day: Day, outcome: Outcome) {
        self.report(JobReport { period: Period::Day(day), subject: None, outcome });
    }

    /// Reports the outcome for a rollup or a file of a day or month.
    pub(crate) fn part(&mut self, period: Period, subject: impl Into<String>, outcome: Outcome) {
        self.report(JobReport { period, subject: Some(subject.into()), outcome });
    }

    /// Reports the days that were left out because they can't be read.
    pub(crate) fn damaged_days(&mut self, snapshot: &Snapshot, span: Span) {
        for (day, damage) in snapshot.damaged(span) {
            let error = damage.to_error().about(format!("day {day} was left out"));
            self.day(day, Outcome::Failed(error));
        }
    }

    /// Reports the days that were left out, and the files that days have lost. Rollups may still
    /// answer for a day that lost files.
    pub(crate) fn unreadable_days(&mut self, root: &Root, snapshot: &Snapshot, span: Span) {
        self.damaged_days(snapshot, span);
        for live in snapshot.live(span) {
            for lost in &live.lost {
                let error = lost_file(root, lost).about(format!("day {}", live.day));
                self.day(live.day, Outcome::Failed(error));
            }
        }
    }

    /// Adds failures that belong to no single day. They are in the summary alone.
    pub(crate) fn failures(&mut self, failures: Vec<Error>) {
        self.summary.failures.extend(failures);
    }

    /// The sum of all reports.
    pub(crate) fn finish(self) -> JobSummary {
        self.summary
    }

    fn report(&mut self, report: JobReport) {
        let subject = report.subject.as_deref().unwrap_or("raw rows");
        tracing::info!(period = %report.period, subject, outcome = ?report.outcome, "job report");
        (self.tell)(&report);
        match report.outcome {
            Outcome::Failed(error) => self.summary.failures.push(error),
            Outcome::Planned(_)
            | Outcome::Built { .. }
            | Outcome::Compacted { .. }
            | Outcome::Purged(_)
            | Outcome::Repriced { .. }
            | Outcome::Erased => self.summary.done += 1,
            Outcome::Dropped
            | Outcome::NoSource
            | Outcome::KeepsPrices
            | Outcome::Waits(_)
            | Outcome::Overtaken
            | Outcome::NotTold
            | Outcome::OwnersFile => {}
        }
    }
}
