//! The `usage` command: the reports that every dashboard starts with.

use std::process::ExitCode;

use super::query::answer;
use crate::{
    base::{Day, Error, Result},
    cli::{
        args::{OutputFormat, ReportArgs, RootArgs, UsageArgs, UsageOf},
        render::counted,
        resolve, say, tell,
    },
    engine::{Stats, Tallybook},
    reports::NamedQuery,
};

/// Number of organizations that are listed below the platform's totals.
const TOP_ORGANIZATIONS: u32 = 10;

pub(super) async fn run(root: &RootArgs, args: &UsageArgs) -> Result<ExitCode> {
    let (organization, report) = match &args.of {
        UsageOf::Org { organization, report } => (Some(organization.as_str()), report),
        UsageOf::Platform { report } => (None, report),
    };
    let db = resolve::open_for_query(root, &report.answer).await?;
    let zone = report.answer.time_zone;
    let today = Day::of_micros(zone.local_micros(db.clock().now().timestamp_micros()));
    let days = resolve::days(report.from, report.to, report.last.as_deref(), today)?;
    if report.fill && report.by.as_deref() != Some("day") {
        return Err(Error::invalid("--fill shows days without rows, so it goes with --by day"));
    }
    let report = Report { db: &db, organization, days, args: report };
    let stats = report.print(report.args.by.as_deref(), report.args.top).await?;
    let people = report.args.answer.format == OutputFormat::Table && !report.args.answer.explain;
    if people && organization.is_none() && report.args.by.is_none() {
        say("")?;
        report.print(Some("organization"), Some(TOP_ORGANIZATIONS)).await?;
    }
    if let Some(stats) = stats.filter(|_| people) {
        report.tell_source(&stats);
    }
    Ok(ExitCode::SUCCESS)
}

struct Report<'a> {
    db: &'a Tallybook,
    organization: Option<&'a str>,
    days: (Day, Day),
    args: &'a ReportArgs,
}

impl Report<'_> {
    async fn print(&self, by: Option<&str>, top: Option<u32>) -> Result<Option<Stats>> {
        let mut params = vec![
            ("organization".to_owned(), self.organization.map(str::to_owned)),
            ("from".to_owned(), Some(self.days.0.to_string())),
            ("to".to_owned(), Some(self.days.1.to_string())),
        ];
        let name = match (by, top) {
            (Some(_), None) if self.args.fill => "usage_days",
            (None, _) => "usage_total",
            (Some(_), None) => "usage_by",
            (Some(_), Some(_)) => "usage_top",
        };
        if name != "usage_days" {
            params.extend(by.map(|by| ("by".to_owned(), Some(by.to_owned()))));
        }
        params.extend(top.map(|top| ("top".to_owned(), Some(top.to_string()))));
        let route = self.args.answer.route;
        let query = NamedQuery::find(name)?.query(self.db.dataset(), &params, route)?;
        let query = query.in_time_zone(self.args.answer.time_zone);
        answer(self.db, &query, &self.args.answer).await
    }

    /// Prints where the figures come from, for people.
    fn tell_source(&self, stats: &Stats) {
        let (first, last) = self.days;
        let subject = self.organization.unwrap_or("all organizations");
        if stats.rollup_days + stats.raw_days == 0 {
            tell(format_args!(
                "there are no rows from {first} to {last}; --from and --to choose other days, and \
                 `status` shows which days have rows"
            ));
            return;
        }
        tell(format_args!(
            "{subject}, {first} to {last} {}: {} from rollups, {} with raw rows",
            self.args.answer.time_zone,
            counted(stats.rollup_days as u64, "day", "days"),
            counted(stats.raw_days as u64, "day", "days")
        ));
        tell(
            "total_cost is what the logs say; total_cost_priced is computed from a price table, \
             which `--by price_table` names",
        );
    }
}
