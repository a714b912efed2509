//! Builds the segments of days whose rows were changed.

use std::collections::BTreeSet;

use super::{RollupOptions, rollup};
use crate::{
    base::{Day, Result},
    jobs::{JobContext, JobReport, Outcome, report::Reporter},
};

/// Builds the segments that the changed days lack, and reports the days that fail.
///
/// # Errors
/// An error that stops the whole job.
pub(crate) async fn rebuild(
    context: JobContext<'_>,
    changed: &BTreeSet<Day>,
    reporter: &mut Reporter<impl FnMut(&JobReport) + Send>,
) -> Result<()> {
    // The segments of a day that isn't over are built after its end, as always.
    for day in changed.iter().copied().filter(|day| *day < context.clock.today()) {
        let options = RollupOptions { from: Some(day), to: Some(day), ..RollupOptions::default() };
        // The day had these segments before, so they are no news.
        let built = rollup(context, &options, |_| {}).await?;
        for error in built.failures {
            reporter.day(day, Outcome::Failed(error));
        }
    }
    Ok(())
}
