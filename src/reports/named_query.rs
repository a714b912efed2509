//! The queries in `queries/`: SQL with a header, and placeholders for the few parts that no
//! parameter can fill.

use crate::{
    base::{Day, Error, Result, Route},
    engine::Query,
    model::{ColumnType, Dataset},
};

/// A query that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct NamedQuery {
    /// The query's name: the file's name without its ending.
    pub name: &'static str,
    /// The file's text, with header and placeholders.
    pub sql: &'static str,
}

const NAMED_QUERIES: [NamedQuery; 5] = [
    NamedQuery { name: "chargeback", sql: include_str!("../../queries/chargeback.sql") },
    NamedQuery { name: "usage_total", sql: include_str!("../../queries/usage_total.sql") },
    NamedQuery { name: "usage_by", sql: include_str!("../../queries/usage_by.sql") },
    NamedQuery { name: "usage_days", sql: include_str!("../../queries/usage_days.sql") },
    NamedQuery { name: "usage_top", sql: include_str!("../../queries/usage_top.sql") },
];

/// All named queries.
#[must_use]
pub const fn named_queries() -> &'static [NamedQuery] {
    &NAMED_QUERIES
}

impl NamedQuery {
    /// Finds the query called `name`.
    ///
    /// # Errors
    /// `NotFound`, listing all names, when there is no such query.
    pub fn find(name: &str) -> Result<Self> {
        NAMED_QUERIES.iter().find(|query| query.name == name).copied().ok_or_else(|| {
            let names: Vec<_> = NAMED_QUERIES.iter().map(|query| query.name).collect();
            Error::not_found(format!("no query `{name}`; there are: {}", names.join(", ")))
        })
    }

    /// The text of the header's line that starts with `line`, such as `params`; empty when there
    /// is no such line.
    #[must_use]
    pub fn header(&self, line: &str) -> &'static str {
        let mut lines =
            self.sql.lines().filter_map(|text| text.strip_prefix("-- ")?.split_once(": "));
        lines.find(|(name, _)| *name == line).map_or("", |(_, text)| text)
    }

    /// The query with its parameters. The value of `by` is a unit of time or a text column.
    ///
    /// # Errors
    /// `Invalid` when a parameter is unknown or missing, or the value of `by` is unknown.
    pub fn query(
        &self,
        dataset: &Dataset,
        params: &[(String, Option<String>)],
        route: Route,
    ) -> Result<Query> {
        let known: Vec<_> = self.header("params").split(", ").collect();
        if let Some((name, _)) = params.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            return Err(Error::invalid(format!(
                "query `{}` has no parameter `{name}`; it takes {}",
                self.name,
                known.join(", ")
            )));
        }
        let mut sql = self.sql.to_owned();
        let mut given = Vec::new();
        for name in known {
            let value =
                params.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
            match (name, value) {
                ("by", Some(Some(by))) => sql = fill(&sql, &Grouping::find(dataset, &by)?),
                ("organization", value) => given.push((name.to_owned(), value.flatten())),
                (_, Some(Some(value))) => given.push((name.to_owned(), Some(value))),
                _ => {
                    let message = format!("query `{}` needs --param {name}=…", self.name);
                    return Err(Error::invalid(message));
                }
            }
        }
        if sql.contains(DAYS) {
            sql = sql.replace(DAYS, &days(&given)?);
        }
        Ok(Query::sql(sql).with_params(given).by_route(route))
    }
}

/// The placeholder for the rows of all days from `from` to `to`.
const DAYS: &str = "{days}";

/// The longest range that days without rows are shown of: a century.
const DAYS_MAX: i64 = 36_525;

/// The days from `from` to `to`, as rows of SQL.
fn days(given: &[(String, Option<String>)]) -> Result<String> {
    let day = |name: &str| {
        let value = given.iter().find(|(given, _)| given == name);
        let value = value.and_then(|(_, value)| value.as_deref()).unwrap_or_default();
        value.parse::<Day>()
    };
    let (from, to) = (day("from")?, day("to")?);
    let count = from.days_until(to) + 1;
    if !(1..=DAYS_MAX).contains(&count) {
        return Err(Error::invalid(format!(
            "from {from} to {to} are {count} days; 1 to {DAYS_MAX} can be shown one by one"
        )));
    }
    let days = (from.epoch_days()..=to.epoch_days()).map(Day::from_epoch_days);
    let rows: Vec<_> = days.map(|day| format!("(DATE '{day}')")).collect();
    Ok(rows.join(", "))
}

/// The expression that a report is grouped by.
struct Grouping {
    expression: String,
    name: String,
    in_time: bool,
}

impl Grouping {
    fn find(dataset: &Dataset, by: &str) -> Result<Self> {
        let time = dataset.time_column();
        let in_time = match by {
            "hour" => Some(format!("date_trunc('hour', {time})")),
            "day" => Some("date".to_owned()),
            "week" => Some("CAST(date_trunc('week', date) AS DATE)".to_owned()),
            "month" => Some("to_char(date, '%Y-%m')".to_owned()),
            "year" => Some("to_char(date, '%Y')".to_owned()),
            _ => None,
        };
        if let Some(expression) = in_time {
            return Ok(Self { expression, name: by.to_owned(), in_time: true });
        }
        if let Some(tag) = Self::of_tag(dataset, by)? {
            return Ok(tag);
        }
        let columns = || dataset.columns().iter().filter(|column| column.kind == ColumnType::Text);
        // Users type `organization` and `user` for columns that end in `_id`.
        let found = columns().find(|column| {
            column.name == by || column.name.strip_suffix("_id").is_some_and(|short| short == by)
        });
        let column = found.ok_or_else(|| {
            let names: Vec<_> = columns().map(|column| column.name.as_str()).collect();
            Error::invalid(format!(
                "can't group by `{by}`; it is hour, day, week, month, year or one of: {}",
                names.join(", ")
            ))
        })?;
        Ok(Self { expression: column.name.clone(), name: column.name.clone(), in_time: false })
    }

    /// `tags.team` or `tags['team']`, of a column of tags.
    fn of_tag(dataset: &Dataset, by: &str) -> Result<Option<Self>> {
        let (column, tag) = by.split_once(['.', '[']).unwrap_or((by, ""));
        if dataset.column(column).is_none_or(|column| column.kind != ColumnType::Tags) {
            return Ok(None);
        }
        let tag = tag.trim_end_matches(']').trim_matches(['\'', '"']);
        if tag.is_empty() || tag.contains(['\'', '"', '{', '}']) {
            return Err(Error::invalid(format!(
                "can't group by `{by}`; name one of the tags, such as {column}.team"
            )));
        }
        let (expression, name) = (format!("{column}['{tag}']"), format!("\"{column}.{tag}\""));
        Ok(Some(Self { expression, name, in_time: false }))
    }
}

fn fill(sql: &str, by: &Grouping) -> String {
    let name = &by.name;
    // A log without costs is ordered by the computed ones.
    let cost_order =
        format!("total_cost DESC NULLS LAST, total_cost_priced DESC NULLS LAST, {name}");
    let order = if by.in_time { name } else { &cost_order };
    let expression =
        if by.expression == *name { name.clone() } else { format!("{} AS {name}", by.expression) };
    // Placeholders stay in the header, because the header describes them.
    let filled = sql.lines().map(|line| {
        if line.starts_with("--") {
            return line.to_owned();
        }
        line.replace("{by}", &expression)
            .replace("{name}", name)
            .replace("{order}", order)
            .replace("{cost_order}", &cost_order)
    });
    filled.collect::<Vec<_>>().join("\n")
}
