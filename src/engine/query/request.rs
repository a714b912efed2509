//! A query, with its parameters, route and time zone.

use crate::base::{Route, Zone};

/// A query in SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// One SELECT. `$name` stands for a parameter.
    pub sql: String,
    /// The parameters; `None` is NULL.
    pub params: Vec<(String, Option<String>)>,
    /// Which files may answer.
    pub route: Route,
    /// The time zone of the SQL: of `date`, of times without a zone, and of everything that is
    /// computed from the time column.
    pub time_zone: Zone,
}

impl Query {
    /// A query in UTC, without parameters, by [`Route::Auto`].
    #[must_use]
    pub fn sql(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new(), route: Route::Auto, time_zone: Zone::UTC }
    }

    /// This query by that route.
    #[must_use]
    pub fn by_route(mut self, route: Route) -> Self {
        self.route = route;
        self
    }

    /// This query with these values for its parameters.
    #[must_use]
    pub fn with_params(mut self, params: Vec<(String, Option<String>)>) -> Self {
        self.params = params;
        self
    }

    /// This query in that time zone.
    #[must_use]
    pub fn in_time_zone(mut self, zone: Zone) -> Self {
        self.time_zone = zone;
        self
    }
}
