//! The jobs of an opened root. Some change its files, and some check them.

use std::sync::Arc;

use crate::{
    base::{Day, Result, Span},
    engine::Tallybook,
    jobs::{
        self, Batch, Checked, CompactOptions, Difference, GcOptions, JobContext, JobReport,
        JobSummary, Nightly, NightlyReport, PriceChanges, PurgeOptions, Repair, RepriceOptions,
        RollupOptions, Status, Superseded,
    },
    model::Leaf,
    store::Staging,
};

impl Tallybook {
    /// Builds the segments of finished days that are missing or behind. Then builds the missing
    /// segments of months whose days are all current and unchanged for two days: with a month's
    /// segment, a query needs fewer requests. No segment changes an answer. Calls `report` for each
    /// segment.
    ///
    /// # Errors
    /// An error that stops the whole job. When a segment fails, the job goes on with the rest, and
    /// the failure is in the summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn rollup(
        &self,
        options: &RollupOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::rollup(self.job_context(&self.staging()), options, report).await
    }

    /// The job for a scheduler to run each night: [`rollup`](Self::rollup), then
    /// [`compact`](Self::compact) for days of many files, then [`gc`](Self::gc). A part that fails
    /// doesn't stop the other parts.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn nightly(&self, report: impl FnMut(NightlyReport<'_>) + Send) -> Nightly {
        jobs::nightly(self.job_context(&self.staging()), report).await
    }

    /// Merges the raw files of each finished day into a few sorted files. A day waits until every
    /// rollup is current. Answers and rollups don't change. [`gc`](Self::gc) deletes the files that
    /// were merged.
    ///
    /// # Errors
    /// An error that stops the whole job. When a day fails, the job goes on with the rest, and the
    /// failure is in the summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn compact(
        &self,
        options: &CompactOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::compact(self.job_context(&self.staging()), options, report).await
    }

    /// Purges the raw rows of old days. The remains of a day, a file for each rollup, are computed
    /// from raw rows whose bytes were checked, and answer queries from then on. [`gc`](Self::gc)
    /// deletes the raw files.
    ///
    /// # Errors
    /// An error that stops the whole job. A day that fails isn't purged, and the failure is in the
    /// summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn purge(
        &self,
        options: &PurgeOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::purge(self.job_context(&self.staging()), options, report).await
    }

    /// Erases the rows that have all of these values, as pairs of column and value: from the raw
    /// rows, and from everything that was computed from them. Then searches the days again, until
    /// no such row is found. [`gc`](Self::gc) deletes the files that held the rows. Calls `report`
    /// for each day.
    ///
    /// # Errors
    /// `Invalid` for an unknown column or a value of another type; `Conflict` when days keep
    /// changing; otherwise the error from reading or writing. The next call erases the rows that
    /// are left.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn erase(
        &self,
        columns: &[(String, String)],
        dry_run: bool,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<JobSummary> {
        jobs::erase(self.job_context(&self.staging()), columns, dry_run, report).await
    }

    /// Prices the rows of the days by another price table: days on which a cost or a table's id
    /// changes are written anew, and [`gc`](Self::gc) deletes the files that held them. Gives what
    /// changes, by month and model. Purged days keep their costs, and so do files of other tools.
    /// Calls `report` for each day.
    ///
    /// # Errors
    /// `Invalid` when the dataset has no computed prices; otherwise an error that stops the whole
    /// job. When a day fails, the job goes on with the rest, and the failure is in the summary.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn reprice(
        &self,
        options: &RepriceOptions,
        report: impl FnMut(&JobReport) + Send,
    ) -> Result<(JobSummary, PriceChanges)> {
        jobs::reprice(self.job_context(&self.staging()), options, report).await
    }

    /// Deletes files that newer files replaced longer ago than the grace period. Calls `report` for
    /// each deleted file.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses; at the end, the error of the first day that was left
    /// out. The next call deletes the files that are left.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn gc(
        &self,
        options: &GcOptions,
        report: impl FnMut(&Superseded) + Send,
    ) -> Result<()> {
        jobs::gc(self.job_context(&self.staging()), options, report).await
    }

    /// The content of a lost or damaged manifest of that day, from the footers of the day's files;
    /// `None` when the day needs no repair. Nothing is written.
    ///
    /// # Errors
    /// `NotFound` when the day has no raw files; `Corrupt`, with the reason, when its files don't
    /// determine a manifest; `Invalid` when a newer program wrote a file; `Unavailable` when the
    /// store refuses.
    pub async fn conclude_repair(&self, day: Day) -> Result<Option<Repair>> {
        jobs::conclude_repair(&self.root, day).await
    }

    /// Writes the manifest of a repair, so that the day can be read again. `false` when another
    /// writer wrote one meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses.
    pub async fn repair(&self, repair: &Repair) -> Result<bool> {
        jobs::repair(&self.root, &self.staging(), repair).await
    }

    /// The status of each day, and how far each rollup serves the day.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses.
    pub async fn status(&self) -> Result<Status> {
        jobs::status(self.job_context(&self.staging())).await
    }

    /// The batches that were appended, by their ids, and what is left of each.
    ///
    /// # Errors
    /// `Invalid` when the dataset has no column for batches; otherwise the error from reading a
    /// file or a claim.
    pub async fn batches(&self) -> Result<Vec<Batch>> {
        jobs::batches(self.job_context(&self.staging())).await
    }

    /// Recomputes every segment inside `span` from the raw leaves that it was built from, and
    /// checks every leaf against its own footer. Calls `report` for each file that is as it should
    /// be. Stops at the first difference and gives it.
    ///
    /// # Errors
    /// `Unavailable` when the store refuses; otherwise the error from reading a file. A difference
    /// is not an error.
    #[tracing::instrument(level = "info", skip_all)]
    pub async fn verify(
        &self,
        span: Span,
        report: impl FnMut(&Checked) + Send,
    ) -> Result<Option<Difference>> {
        jobs::verify(self.job_context(&self.staging()), span, report).await
    }

    /// The full names of the live raw files inside `span`.
    ///
    /// # Errors
    /// The error from listing.
    pub async fn files(&self, span: Span) -> Result<Vec<String>> {
        let snapshot = self.job_context(&self.staging()).snapshot(span).await?;
        let leaves = snapshot.days(span).flat_map(|(_, leaves)| leaves);
        let leaves = leaves.filter(|leaf| !leaf.is_purged());
        Ok(leaves.map(|leaf: &Arc<Leaf>| self.root.full_name(&leaf.file.location)).collect())
    }

    /// A staging folder for the files of one job.
    fn staging(&self) -> Staging {
        Staging::new(&self.root, &self.settings)
    }

    /// The context of a job that stages its files in `staging`.
    fn job_context<'a>(&'a self, staging: &'a Staging) -> JobContext<'a> {
        JobContext {
            root: &self.root,
            dataset: &self.dataset,
            definitions: &self.definitions,
            settings: &self.settings,
            clock: self.clock(),
            session: &self.session,
            staging,
        }
    }
}
