//! Checking a month's segments against its days' segments.

use std::sync::Arc;

use super::{
    Checked, Difference,
    listed::Listed,
    rows_differ::first_difference,
    segment::{check_footer, stored_rows},
};
use crate::{
    base::{Month, Result},
    jobs::JobContext,
    model::{Freshness, Period},
};

/// The first difference of the month. Adds the files that are as they should be to `found`.
///
/// # Errors
/// `NotFound` when a listed file is gone; otherwise the error from reading a file.
pub(super) async fn check(
    context: JobContext<'_>,
    listed: &Listed,
    month: Month,
    found: &mut Vec<Checked>,
) -> Result<Option<Difference>> {
    let span = month.span();
    for rollup in context.dataset.rollups() {
        let (mut of_month, mut of_days, mut is_whole) = (None, Vec::new(), true);
        for live in listed.days.live(span) {
            let both = (
                listed.with_months.freshness(rollup.name(), live.day),
                listed.days.freshness(rollup.name(), live.day),
            );
            let Freshness::Current(month) = both.0 else { continue };
            if !matches!(month.period, Period::Month(_)) {
                continue;
            }
            of_month = Some(month);
            match both.1 {
                Freshness::Current(segment) => of_days.push(Arc::clone(segment)),
                Freshness::Behind { .. } | Freshness::Missing => is_whole = false,
            }
        }
        let Some(segment) = of_month else { continue };
        let rows = match check_footer(context, segment).await? {
            Ok(rows) => rows,
            Err(difference) => return Ok(Some(difference)),
        };
        let file = context.root.full_name(&segment.file.location);
        // A day's segment is a hint and may have been deleted. The month's bytes were compared
        // above.
        if is_whole {
            let expected = stored_rows(context, rollup, &of_days).await?;
            let stored = stored_rows(context, rollup, std::slice::from_ref(segment)).await?;
            if let Some(what) = first_difference(&expected, &stored) {
                return Ok(Some(Difference { file, what }));
            }
        }
        found.push(Checked { file, rows });
    }
    Ok(None)
}
