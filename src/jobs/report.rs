//! What a job says of each day and month, and of all of them together.

use std::{fmt, time::Duration};

use crate::{
    base::{Day, Error, Span},
    model::{LeafDay, Period, Snapshot},
};

/// What a job did to a day or month, or to a part of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct JobReport {
    /// The day or month, UTC.
    pub period: Period,
    /// The rollup or the file that it is about; `None` for the day's raw rows.
    pub subject: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a day or month, or of a part of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: it was a dry run, and this is what would be done.
    Planned(Plan),
    /// The rollup's segment is there.
    Built {
        /// Why it was built.
        reason: Reason,
        /// Raw rows that it is of.
        rows_in: u64,
        /// Rows of the segment.
        rows_out: u64,
        /// Its size.
        bytes: u64,
        /// How long it took.
        took: Duration,
    },
    /// The day's raw rows are in fewer files.
    Compacted {
        /// Files and their size before.
        before: RawFiles,
        /// Files and their size now.
        after: RawFiles,
        /// Their rows.
        rows: u64,
        /// How long it took.
        took: Duration,
    },
    /// The day's raw rows don't count any more; what remains of them does.
    Purged(RawFiles),
    /// The day's matching rows don't count any more.
    Erased,
    /// What remained of a purged day for the rollup is gone: its rows didn't tell which of them
    /// counted erased ones, and another rollup's did.
    Dropped,
    /// Nothing: there is nothing to build the segment of, as raw rows of the day were purged.
    NoSource,
    /// Nothing: these rollups must be current first.
    Waits(Vec<String>),
    /// Nothing: somebody else changed the day meanwhile.
    Overtaken,
    /// Nothing: the day was purged, and nothing that remains tells whose rows it counts.
    NotTold,
    /// Nothing: the file is another tool's, or a copy of one of ours, and holds such rows. It
    /// doesn't count, and is its owner's to delete.
    OwnersFile,
    /// It failed; the job went on with the others.
    Failed(Error),
}

/// What a dry run would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plan {
    /// Build the rollup's segment.
    Build(Reason),
    /// Merge these files.
    Compact(RawFiles),
    /// Let the rows of these files go.
    Purge(RawFiles),
    /// Erase rows of the day.
    Erase,
}

/// Why a segment is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The day or month has none.
    Missing,
    /// The day's lacks that many leaves.
    Behind {
        /// The leaves that came since.
        leaves: usize,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Behind { leaves: 1 } => f.write_str("behind by 1 leaf"),
            Self::Behind { leaves } => write!(f, "behind by {leaves} leaves"),
        }
    }
}

/// Raw files of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawFiles {
    /// How many.
    pub count: usize,
    /// Their size.
    pub bytes: u64,
}

impl RawFiles {
    /// The files of those sizes.
    pub(crate) fn of(sizes: impl IntoIterator<Item = u64>) -> Self {
        let sum = |files: Self, bytes| Self { count: files.count + 1, bytes: files.bytes + bytes };
        sizes.into_iter().fold(Self::default(), sum)
    }

    /// The day's files that can be read.
    pub(crate) fn of_day(live: &LeafDay) -> Self {
        let leaves = live.leaves.iter().filter(|leaf| !leaf.is_purged());
        Self::of(leaves.map(|leaf| leaf.file.size))
    }
}

/// What a job did in all. A job goes on when a day fails: look at [`failures`](Self::failures), or
/// make an error of them with [`into_result`](Self::into_result).
#[must_use = "a job goes on when a day fails, and this says which did"]
#[derive(Debug, Default)]
pub struct JobSummary {
    /// How many things were done, or would be in a dry run.
    pub done: u64,
    /// What failed, in the order of the reports.
    pub failures: Vec<Error>,
}

impl JobSummary {
    /// How many things were done, if nothing failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn into_result(self) -> Result<u64, Error> {
        self.failures.into_iter().next().map_or(Ok(self.done), Err)
    }
}

/// Tells a caller of each report, and sums them up.
pub(crate) struct Reporter<F> {
    tell: F,
    summary: JobSummary,
}

impl<F: FnMut(&JobReport) + Send> Reporter<F> {
    /// Tells that function.
    pub(crate) fn new(tell: F) -> Self {
        Self { tell, summary: JobSummary::default() }
    }

    /// Tells what became of that day.
    pub(crate) fn day(&mut self, day: Day, outcome: Outcome) {
        self.report(JobReport { period: Period::Day(day), subject: None, outcome });
    }

    /// Tells what became of a rollup or a file of that day or month.
    pub(crate) fn part(&mut self, period: Period, subject: impl Into<String>, outcome: Outcome) {
        self.report(JobReport { period, subject: Some(subject.into()), outcome });
    }

    /// Tells of the days that can't be read, and were left out.
    pub(crate) fn damaged_days(&mut self, snapshot: &Snapshot, span: Span) {
        for (day, damage) in snapshot.damaged(span) {
            let error = damage.to_error().about(format!("day {day} was left out"));
            self.day(day, Outcome::Failed(error));
        }
    }

    /// What was done in all.
    pub(crate) fn finish(self) -> JobSummary {
        self.summary
    }

    fn report(&mut self, report: JobReport) {
        (self.tell)(&report);
        match report.outcome {
            Outcome::Failed(error) => self.summary.failures.push(error),
            Outcome::Planned(_)
            | Outcome::Built { .. }
            | Outcome::Compacted { .. }
            | Outcome::Purged(_)
            | Outcome::Erased => self.summary.done += 1,
            Outcome::Dropped
            | Outcome::NoSource
            | Outcome::Waits(_)
            | Outcome::Overtaken
            | Outcome::NotTold
            | Outcome::OwnersFile => {}
        }
    }
}
