//! Checking stored files and recomputing derived ones: day by day, then month by month. A day or
//! month that another writer changes meanwhile is listed and checked anew.

mod chain;
mod day;
mod incomplete;
mod listed;
mod lost;
mod month;
mod rows_differ;
mod segment;

use std::{fmt, sync::Arc};

use object_store::ObjectMeta;

use self::listed::Listed;
use crate::jobs::JobContext;
use crate::{
    base::{ErrorKind, Result, Span},
    model::Period,
};

/// A file that is as it should be.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file's full name.
    pub file: String,
    /// The number of its rows.
    pub rows: u64,
}

/// The first thing that isn't as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file, or the day or folder.
    pub file: String,
    /// The difference, as a phrase about the file.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// How many times a day or month may change while it is checked.
const CHANGES_MAX: usize = 10;

/// Checks everything that touches `span`. Calls `report` for each file that is as it should be, and
/// gives the first difference. Warns of claimed batches that lack a leaf.
///
/// # Errors
/// `Unavailable` when the store refuses; otherwise the error from reading a file.
pub(crate) async fn verify(
    context: JobContext<'_>,
    span: Span,
    mut report: impl FnMut(&Checked) + Send,
) -> Result<Option<Difference>> {
    if let Some(at) = context.definitions.opened().previous.iter().position(Option::is_none) {
        let file = format!("definitions/{}.toml", at + 1);
        return Ok(Some(Difference { file, what: "is damaged".to_owned() }));
    }
    let claims = match chain::check_claims(context).await? {
        Ok(claims) => Arc::new(claims),
        Err(difference) => return Ok(Some(difference)),
    };
    let listed = Listed::take(context, span, &claims).await?;
    let days = listed.days().into_iter().map(Period::Day);
    let months = listed.months().into_iter().map(Period::Month);
    for period in days.chain(months) {
        if let Some(difference) = until_settled(context, &listed, period, &mut report).await? {
            return Ok(Some(difference));
        }
    }
    incomplete::warn(context, &listed, span).await?;
    let damaged = listed.first_distrusted(context.root);
    let what = "is a damaged hint; raw rows answer, and `rollup` or `gc` mend it";
    Ok(damaged.map(|segment| difference(context, &segment.file, what)))
}

/// The first difference of the period by a listing that the next listing repeats. Between two
/// listings that differ, another writer changed the root, and files may have appeared or been
/// deleted.
async fn until_settled(
    context: JobContext<'_>,
    listed: &Listed,
    period: Period,
    report: &mut (impl FnMut(&Checked) + Send),
) -> Result<Option<Difference>> {
    let mut changes = 0;
    let mut newer;
    let mut listed = listed;
    loop {
        let mut found = Vec::new();
        let verdict = match period {
            Period::Day(day) => day::check(context, listed, day, &mut found).await,
            Period::Month(month) => month::check(context, listed, month, &mut found).await,
        };
        match &verdict {
            Ok(None) => {
                found.iter().for_each(report);
                return Ok(None);
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return verdict,
            Ok(Some(_)) | Err(_) => {}
        }
        let now = Listed::take(context, period.span(), &listed.claims).await?;
        changes += 1;
        if changes > CHANGES_MAX || now.is_as(listed, period.span()) {
            return verdict;
        }
        newer = now;
        listed = &newer;
    }
}

/// The result for a file.
type Verdict = std::result::Result<Checked, Difference>;

fn difference(context: JobContext<'_>, file: &ObjectMeta, what: &str) -> Difference {
    Difference { file: context.root.full_name(&file.location), what: what.to_owned() }
}
