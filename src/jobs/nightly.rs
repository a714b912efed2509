//! The job that a scheduler runs each night: rollups, compaction, and deletion of replaced files.

use crate::{
    base::{Error, Result},
    jobs::{
        CompactOptions, GcOptions, JobContext, JobReport, JobSummary, RollupOptions, Superseded,
        compact, gc, rollup,
    },
};

/// A report of the nightly job while it works.
#[derive(Debug)]
#[non_exhaustive]
pub enum NightlyReport<'a> {
    /// The outcome for a day or month, or for a part of it.
    Job(&'a JobReport),
    /// A file that nothing refers to any more was deleted.
    Deleted(&'a Superseded),
    /// A part of the job stopped; the other parts go on.
    Stopped(&'a Error),
}

/// The results of the nightly job.
#[must_use = "a part that fails stops none of the others, and this says which did"]
#[derive(Debug, Default)]
pub struct Nightly {
    /// The number of segments that were built.
    pub built: u64,
    /// The number of days that were compacted.
    pub compacted: u64,
    /// The number of files that were deleted.
    pub deleted: u64,
    /// The failures, in the order of the reports.
    pub failures: Vec<Error>,
}

impl Nightly {
    /// Returns the results if nothing failed.
    ///
    /// # Errors
    /// The first failure.
    pub fn into_result(mut self) -> Result<Self> {
        if self.failures.is_empty() { Ok(self) } else { Err(self.failures.swap_remove(0)) }
    }
}

/// Builds the segments that finished days and quiet months lack, merges days of many files, and
/// deletes replaced files. A part that fails doesn't stop the other parts.
pub(crate) async fn nightly(
    context: JobContext<'_>,
    mut report: impl FnMut(NightlyReport<'_>) + Send,
) -> Nightly {
    let mut night = Nightly::default();
    let all = RollupOptions::default();
    let built = rollup(context, &all, |done| report(NightlyReport::Job(done))).await;
    night.built = night.part(built, &mut report);
    let few = CompactOptions { files_max: CompactOptions::NIGHTLY_FILES_MAX, ..Default::default() };
    let compacted = compact(context, &few, |done| report(NightlyReport::Job(done))).await;
    night.compacted = night.part(compacted, &mut report);
    let mut deleted = 0;
    let collected = gc(context, &GcOptions::default(), |file| {
        deleted += 1;
        report(NightlyReport::Deleted(file));
    })
    .await
    .map(|()| JobSummary::default());
    night.part(collected, &mut report);
    night.deleted = deleted;
    night
}

impl Nightly {
    /// Adds a part's failures. Gives how much the part did.
    fn part(
        &mut self,
        done: Result<JobSummary>,
        report: &mut (impl FnMut(NightlyReport<'_>) + Send),
    ) -> u64 {
        match done {
            Ok(summary) => {
                self.failures.extend(summary.failures);
                summary.done
            }
            Err(error) => {
                report(NightlyReport::Stopped(&error));
                self.failures.push(error);
                0
            }
        }
    }
}
