//! The questions that nothing answers once raw rows are purged.

use super::NamedQuery;
use crate::{
    base::{Day, Result, Route},
    engine::Tallybook,
    model::{Column, ColumnType, Dataset, Rollup},
};

/// What only raw rows answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unanswerable {
    /// Columns that no rollup has, neither as a dimension nor in a measure.
    pub columns: Vec<String>,
    /// Reports that no rollup serves, as the command line names them.
    pub reports: Vec<String>,
}

/// How many days before the last one a report is planned of. Of a few days, raw rows would be
/// preferred, and the plan wouldn't say which rollups serve.
const DAYS_PLANNED: i32 = 100;

/// Finds what no rollup answers up to the day `last`. Plans each report, and reads no rows.
///
/// # Errors
/// `Unavailable` when the store refuses. A report that the dataset doesn't have is left out.
pub async fn unanswerable(db: &Tallybook, last: Day) -> Result<Unanswerable> {
    let (dataset, first) = (db.dataset(), last.plus(-DAYS_PLANNED));
    let mut found = Unanswerable { columns: unused(dataset), reports: Vec::new() };
    let days = [("from", first), ("to", last)];
    let days = days.map(|(name, day)| (name.to_owned(), Some(day.to_string())));
    let organization = ("organization".to_owned(), Some("-".to_owned()));
    for (of, organization) in [("org", Some(organization)), ("platform", None)] {
        for by in groupings(dataset) {
            let by_param = by.clone().map(|by| ("by".to_owned(), Some(by)));
            let params: Vec<_> =
                days.iter().cloned().chain(organization.clone()).chain(by_param).collect();
            let name = if by.is_some() { "usage_by" } else { "usage_total" };
            if !is_served(db, name, &params).await {
                let by = by.map(|by| format!(" --by {by}")).unwrap_or_default();
                found.reports.push(format!("usage {of}{by}"));
            }
        }
    }
    if !is_served(db, "chargeback", &days).await {
        found.reports.push("query --name chargeback".to_owned());
    }
    Ok(found)
}

/// The columns that no rollup has.
fn unused(dataset: &Dataset) -> Vec<String> {
    let is_used = |name: &str| {
        dataset.rollups().iter().any(|rollup| {
            let is_of = |dimension: &Column| {
                dimension.name.split_once("['").is_some_and(|(of, _)| of == name)
            };
            rollup.has_dimension(name)
                || rollup.dimensions().iter().any(is_of)
                || rollup.measures().iter().any(|it| it.argument.as_deref() == Some(name))
        })
    };
    let columns = dataset.columns().iter().map(|column| column.name.as_str());
    let columns = columns.filter(|name| *name != dataset.time_column() && !is_used(name));
    columns.map(str::to_owned).collect()
}

/// What a report can be grouped by: nothing, days, hours, and each column of text and each tag that
/// a rollup has.
fn groupings(dataset: &Dataset) -> Vec<Option<String>> {
    let unused = unused(dataset);
    let tags = dataset.rollups().iter().flat_map(Rollup::dimensions);
    let tags = tags.map(|dimension| dimension.name.clone()).filter(|name| name.contains("['"));
    let texts = dataset.columns().iter().filter(|column| column.kind == ColumnType::Text);
    let texts = texts.map(|column| column.name.clone()).filter(|name| !unused.contains(name));
    let times = ["day", "hour"].map(|unit| Some(unit.to_owned()));
    [None].into_iter().chain(times).chain(texts.chain(tags).map(Some)).collect()
}

/// Whether a rollup has the answer to each part of the query.
async fn is_served(db: &Tallybook, name: &str, params: &[(String, Option<String>)]) -> bool {
    let query = NamedQuery::find(name).and_then(|it| it.query(db.dataset(), params, Route::Auto));
    let Ok(query) = query else { return true };
    let Ok(explained) = db.explain(&query).await else { return true };
    let serves =
        |block: &crate::engine::BlockExplanation| block.rollups.iter().any(|rollup| rollup.serves);
    explained.blocks.iter().all(serves)
}
