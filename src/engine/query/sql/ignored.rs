//! Parts of a query that the parser takes and DataFusion ignores, as if they weren't there.
//!
//! Each pattern names all fields of its type. A field that a new version of the parser adds doesn't
//! compile here until somebody decides whether DataFusion heeds the field.

use std::ops::ControlFlow;

use datafusion::{
    execution::SessionState,
    sql::sqlparser::ast::{
        DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
        FunctionArguments, GroupByExpr, GroupByWithModifier, Join, LimitClause, OrderBy, Query,
        Select, SelectItem, TableAlias, TableFactor, Visitor, WildcardAdditionalOptions,
    },
};

/// Finds the first part that would be ignored. The message says what to write instead.
pub(super) struct Ignored<'a> {
    /// Knows which functions are scalar ones.
    pub(super) state: &'a SessionState,
}

/// A part of a query, and what to write instead.
type Part = (&'static str, &'static str);

const LEAVE_OUT: &str = "leave it out";
const SAMPLE: Part = ("TABLESAMPLE", "write WHERE random() < 0.1 for a tenth of the rows");

impl Visitor for Ignored<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<String> {
        refuse(of_query(query))
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<String> {
        refuse(of_select(select))
    }

    fn pre_visit_table_factor(&mut self, table: &TableFactor) -> ControlFlow<String> {
        refuse(of_table(table))
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::Function(call) => refuse(self.of_call(call)),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn refuse(part: Option<Part>) -> ControlFlow<String> {
    match part {
        None => ControlFlow::Continue(()),
        Some((part, instead)) => ControlFlow::Break(format!("{part} isn't supported; {instead}")),
    }
}

/// The part, if it is there.
fn part(is_there: bool, name: &'static str, instead: &'static str) -> Option<Part> {
    is_there.then_some((name, instead))
}

fn of_query(query: &Query) -> Option<Part> {
    let Query {
        with: _,
        body: _,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators: _,
    } = query;
    let interpolates = matches!(order_by, Some(OrderBy { kind: _, interpolate: Some(_) }));
    let limits_by = matches!(
        limit_clause,
        Some(LimitClause::LimitOffset { limit: _, offset: _, limit_by }) if !limit_by.is_empty()
    );
    part(fetch.is_some(), "FETCH", "write LIMIT 10, and OFFSET 20 to skip rows")
        .or(part(!locks.is_empty(), "FOR UPDATE or FOR SHARE", "leave it out: SQL only reads here"))
        .or(part(for_clause.is_some(), "FOR XML or FOR JSON", "use --format json"))
        .or(part(settings.is_some(), "SETTINGS", LEAVE_OUT))
        .or(part(format_clause.is_some(), "FORMAT", "use --format csv or --format json"))
        .or(part(interpolates, "INTERPOLATE", LEAVE_OUT))
        .or(part(
            limits_by,
            "LIMIT … BY",
            "write QUALIFY row_number() OVER (PARTITION BY model ORDER BY cost DESC) <= 3",
        ))
}

fn of_select(select: &Select) -> Option<Part> {
    let Select {
        select_token: _,
        // Comments.
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into: _,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor: _,
    } = select;
    let is_global = |Join { relation: _, global, join_operator: _ }: &Join| *global;
    let global = from.iter().flat_map(|from| &from.joins).any(is_global);
    let hive = !(cluster_by.is_empty() && distribute_by.is_empty() && sort_by.is_empty());
    part(top.is_some(), "TOP", "write LIMIT 10 at the end")
        .or(part(select_modifiers.is_some(), "a modifier of SELECT", LEAVE_OUT))
        .or(part(exclude.is_some(), "EXCLUDE at this place", "write SELECT * EXCLUDE (a, b)"))
        .or(part(!lateral_views.is_empty(), "LATERAL VIEW", "write CROSS JOIN LATERAL"))
        .or(part(prewhere.is_some(), "PREWHERE", "write WHERE"))
        .or(part(!connect_by.is_empty(), "CONNECT BY", "write WITH RECURSIVE"))
        .or(part(hive, "SORT BY, CLUSTER BY or DISTRIBUTE BY", "write ORDER BY"))
        .or(part(value_table_mode.is_some(), "SELECT AS", LEAVE_OUT))
        .or(part(global, "GLOBAL JOIN", "write JOIN"))
        .or_else(|| of_group_by(group_by))
        .or_else(|| projection.iter().find_map(of_item))
}

fn of_group_by(group_by: &GroupByExpr) -> Option<Part> {
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = group_by;
    Some(match modifiers.first()? {
        GroupByWithModifier::Rollup => ("WITH ROLLUP", "write GROUP BY ROLLUP (a, b)"),
        GroupByWithModifier::Cube => ("WITH CUBE", "write GROUP BY CUBE (a, b)"),
        GroupByWithModifier::Totals => ("WITH TOTALS", "write GROUP BY GROUPING SETS ((a, b), ())"),
        GroupByWithModifier::GroupingSets(_) => {
            ("GROUPING SETS at this place", "write GROUP BY GROUPING SETS ((a, b), ())")
        }
    })
}

fn of_item(item: &SelectItem) -> Option<Part> {
    let (SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options)) = item else {
        return None;
    };
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude: _,
        opt_except: _,
        opt_replace: _,
        opt_rename,
        opt_alias,
    } = options;
    part(opt_ilike.is_some(), "* ILIKE", "name the columns, or write SELECT * EXCLUDE (a, b)")
        .or(part(opt_rename.is_some(), "* RENAME", "write SELECT * EXCLUDE (a), a AS b"))
        .or(part(opt_alias.is_some(), "* AS", LEAVE_OUT))
}

fn of_table(table: &TableFactor) -> Option<Part> {
    match table {
        TableFactor::Table {
            name: _,
            alias,
            args: _,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => part(sample.is_some(), SAMPLE.0, SAMPLE.1)
            .or(part(!with_hints.is_empty(), "WITH (…) after a table", LEAVE_OUT))
            .or(part(version.is_some(), "a table as of a time", "write WHERE timestamp < '…'"))
            .or(ordinality(*with_ordinality))
            .or(part(!partitions.is_empty(), "PARTITION", "write WHERE date = '2026-01-24'"))
            .or(part(json_path.is_some(), "a path after a table", LEAVE_OUT))
            .or(part(!index_hints.is_empty(), "an index hint", LEAVE_OUT))
            .or_else(|| of_alias(alias.as_ref())),
        TableFactor::Derived { lateral: _, subquery: _, alias, sample } => {
            part(sample.is_some(), SAMPLE.0, SAMPLE.1).or_else(|| of_alias(alias.as_ref()))
        }
        TableFactor::Function { lateral: _, name: _, args: _, with_ordinality, alias } => {
            ordinality(*with_ordinality).or_else(|| of_alias(alias.as_ref()))
        }
        TableFactor::Pivot { .. } => Some((
            "PIVOT",
            "write a column for each value: sum(cost) FILTER (WHERE model = 'a') AS a",
        )),
        TableFactor::Unpivot { .. } => {
            Some(("UNPIVOT", "write a SELECT for each column, and UNION ALL between them"))
        }
        // DataFusion refuses those of them that it doesn't know.
        _ => None,
    }
}

fn ordinality(is_there: bool) -> Option<Part> {
    part(is_there, "WITH ORDINALITY", "number the rows by row_number() OVER (ORDER BY …)")
}

fn of_alias(alias: Option<&TableAlias>) -> Option<Part> {
    let TableAlias { explicit: _, name: _, columns: _, at } = alias?;
    part(at.is_some(), "AT after a table", LEAVE_OUT)
}

/// Aggregates that count each row, also with DISTINCT.
const OF_ALL_ROWS: [&str; 5] = ["approx_", "corr", "covar", "regr_", "percentile_cont"];

impl Ignored<'_> {
    fn of_call(&self, call: &Function) -> Option<Part> {
        let Function {
            name,
            uses_odbc_syntax: _,
            parameters,
            args,
            filter,
            null_treatment,
            over,
            within_group,
        } = call;
        let name = name.to_string().to_lowercase();
        let (mut is_distinct, mut of_star, mut has_clauses) = (false, false, false);
        if let FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses,
        }) = args
        {
            is_distinct = *duplicate_treatment == Some(DuplicateTreatment::Distinct);
            of_star = args.iter().any(|argument| {
                matches!(
                    argument,
                    FunctionArg::Unnamed(
                        FunctionArgExpr::Wildcard | FunctionArgExpr::QualifiedWildcard(_)
                    )
                )
            });
            has_clauses = !clauses.is_empty();
        }
        let of_rows = is_distinct
            || has_clauses
            || filter.is_some()
            || null_treatment.is_some()
            || over.is_some()
            || !within_group.is_empty();
        let is_scalar = self.state.scalar_functions().contains_key(&name);
        let counts_all = OF_ALL_ROWS.iter().any(|start| name.starts_with(start));
        part(
            !matches!(parameters, FunctionArguments::None),
            "f(…)(…)",
            "write all arguments in one pair of parentheses",
        )
        .or(part(
            is_distinct && of_star,
            "DISTINCT *",
            "write SELECT count(*) FROM (SELECT DISTINCT * FROM …)",
        ))
        .or(part(
            is_distinct && counts_all,
            "DISTINCT in such a function",
            "write it over (SELECT DISTINCT x FROM …)",
        ))
        .or(part(
            of_rows && is_scalar,
            "DISTINCT, FILTER, ORDER BY, OVER or the like in a function of one row",
            LEAVE_OUT,
        ))
    }
}
