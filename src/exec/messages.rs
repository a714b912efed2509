//! Messages of DataFusion and arrow, in words that say what to do.

use datafusion::common::utils::datafusion_strsim::normalized_levenshtein;

/// The message, with what to do where it doesn't say so.
pub(super) fn in_words(message: &str) -> String {
    let message = without_origin(message);
    REWRITES.iter().find_map(|rewrite| rewrite(message)).unwrap_or_else(|| message.to_owned())
}

/// What DataFusion and arrow put in front of messages. It says where an error arose in their code.
const ORIGINS: [&str; 9] = [
    "Error during planning: ",
    "Internal error: ",
    "Schema error: ",
    "Execution error: ",
    "Arrow error: ",
    "Parser error: ",
    "Invalid argument error: ",
    "Cast error: ",
    "Compute error: ",
];

/// The message without its origin.
fn without_origin(message: &str) -> &str {
    let rest = ORIGINS.iter().find_map(|origin| message.strip_prefix(origin));
    rest.map_or(message, without_origin)
}

/// Rewrites messages of one kind. `None` for other messages.
type Rewrite = fn(&str) -> Option<String>;

/// The first one that knows a message rewrites it.
const REWRITES: [Rewrite; 11] = [
    syntax,
    number,
    time,
    regular_expression,
    table,
    function,
    argument,
    window,
    name_twice,
    subscript,
    unsupported,
];

fn syntax(message: &str) -> Option<String> {
    if message.contains("only supports a single SQL statement") {
        return Some("more than one statement; write one SELECT at a time".to_owned());
    }
    let parsing = message.strip_prefix("SQL error: ParserError(\"")?;
    let what = parsing.strip_suffix("\")").unwrap_or(parsing).replace("\\\"", "\"");
    Some(format!("the SQL can't be parsed: {what}"))
}

fn subscript(message: &str) -> Option<String> {
    let what = "takes a text in front of it, with tags or other JSON, and a name in quotes: \
                tags['team']";
    message.contains("GetFieldAccess not supported").then(|| format!("[…] {what}"))
}

fn number(message: &str) -> Option<String> {
    if message.contains("Divide by zero") {
        return Some("a division by zero; write x / nullif(y, 0), which is NULL then".to_owned());
    }
    let what = message.strip_prefix("Arithmetic overflow: ")?;
    Some(format!(
        "a number is beyond what its type can hold ({what}); cast the operands to a larger type \
         first, such as DECIMAL(38, 0) or DOUBLE"
    ))
}

fn time(message: &str) -> Option<String> {
    if message.ends_with("Timestamp out of range") {
        return Some(format!(
            "{message}: a time plus an interval of days or months is no time of its zone, as clocks \
             are changed then; add hours, such as INTERVAL '24 hours'"
        ));
    }
    let quoted = message.split('\'').nth(1).unwrap_or_default();
    // arrow-cast ends its message like this for a local time at which a zone's clocks are
    // changed.
    if message.ends_with("error computing timezone offset") {
        return Some(format!(
            "'{quoted}' is no time of its zone, or two of them, as clocks are changed then; write it \
             with an offset, such as '{quoted}+02:00'"
        ));
    }
    let why = message.strip_prefix("Error parsing timestamp from ")?;
    Some(format!(
        "no time: {why}; write '2026-01-24 09:30:00', '2026-01-24T09:30:00+02:00' or '2026-01-24'"
    ))
}

fn regular_expression(message: &str) -> Option<String> {
    message.contains("CompiledTooBig").then(|| {
        "a regular expression is too large: its repetitions, such as {100}, multiply each other; \
         use fewer"
            .to_owned()
    })
}

fn table(message: &str) -> Option<String> {
    let name = message.strip_prefix("table 'datafusion.public.")?.strip_suffix("' not found")?;
    let is_file = [".csv", ".json", ".ndjson", ".parquet"].iter().any(|end| name.ends_with(end));
    let what_to_do = if is_file {
        "give a file a name by `--table name=file.csv`, and write that name"
    } else {
        "`SHOW TABLES` lists the tables, and `--table name=file.csv` adds one"
    };
    Some(format!("no table `{name}`; {what_to_do}"))
}

/// Functions of other engines and other places, and what to write here.
const NOT_HERE: [(&[&str], &str); 14] = [
    (&["any_value", "arbitrary", "any"], "min(x), or first_value(x ORDER BY y)"),
    (&["mode"], "count(*) … GROUP BY x ORDER BY 1 DESC LIMIT 1"),
    (
        &["quantile", "quantile_cont", "percentile"],
        "percentile_cont(0.95) WITHIN GROUP (ORDER BY x)",
    ),
    (&["count_if", "countif"], "count(*) FILTER (WHERE …)"),
    (&["sum_if", "sumif"], "sum(x) FILTER (WHERE …)"),
    (&["if", "iif"], "CASE WHEN … THEN … ELSE … END"),
    (&["isnull"], "x IS NULL, or coalesce(x, 0)"),
    (&["date"], "CAST(x AS DATE)"),
    (&["strftime", "date_format", "format_datetime"], "to_char(timestamp, '%Y-%m-%d')"),
    (&["date_diff", "datediff", "timestampdiff"], "extract(epoch FROM b) - extract(epoch FROM a)"),
    (&["date_add", "dateadd", "date_sub"], "x + INTERVAL '1 day'"),
    (&["group_concat", "listagg"], "string_agg(x, ',' ORDER BY x)"),
    (&["json_extract", "json_value", "json_extract_string"], "columns: SQL doesn't read JSON here"),
    (&["rank", "dense_rank", "row_number", "ntile", "lag", "lead"], "OVER (ORDER BY x) behind it"),
];

/// How like an unknown name another name must be to be proposed.
const LIKE_ENOUGH: f64 = 0.6;

fn function(message: &str) -> Option<String> {
    if let Some(name) = message.strip_prefix("table function '") {
        let name = name.strip_suffix("' not found")?;
        return Some(format!(
            "no table function `{name}`; give a file a name by `--table name=file.csv`, and write that \
             name"
        ));
    }
    let (name, rest) = message.strip_prefix("Invalid function '")?.split_once("'.")?;
    let lower = name.to_lowercase();
    if let Some((_, instead)) = NOT_HERE.iter().find(|(names, _)| names.contains(&&*lower)) {
        return Some(format!("no function `{name}`; write {instead}"));
    }
    let like =
        rest.split('\'').nth(1).filter(|like| normalized_levenshtein(&lower, like) >= LIKE_ENOUGH);
    Some(match like {
        Some(like) => format!("no function `{name}`; did you mean `{like}`?"),
        None => format!("no function `{name}`; `SHOW FUNCTIONS` lists the functions"),
    })
}

fn argument(message: &str) -> Option<String> {
    let (_, call) = message.split_once("given name and argument types '")?;
    let (call, _) = call.split_once("'. You might")?;
    let (name, types) = call.split_once('(')?;
    Some(format!(
        "the function `{name}` doesn't take ({types}; cast the argument first, such as \
         CAST(x AS DOUBLE), or see `SHOW FUNCTIONS`"
    ))
}

fn window(message: &str) -> Option<String> {
    if message.contains("does not support logical expression WindowFunction") {
        return Some(
            "a window function can't stand in WHERE, HAVING or GROUP BY; filter by QUALIFY, or compute \
             it in a WITH and filter that"
                .to_owned(),
        );
    }
    message.contains("only support Literal types for field at idx").then(|| {
        "the number of rows and the default of a window function must be constants, as in \
         lag(cost, 1, 0)"
            .to_owned()
    })
}

fn name_twice(message: &str) -> Option<String> {
    let name = message.strip_prefix("Schema contains duplicate ")?;
    let name = name.rsplit(' ').next()?;
    Some(format!("the column {name} comes twice; leave one out, or name one by AS"))
}

/// Cuts DataFusion's dump of its syntax tree.
fn unsupported(message: &str) -> Option<String> {
    if message.contains("Tuple expressions are not supported for") {
        return Some(
            "ROLLUP and CUBE take columns alone; write GROUPING SETS ((a, b, c), (a, b), ())"
                .to_owned(),
        );
    }
    let what = message.strip_prefix("This feature is not implemented: ")?;
    let what = what.strip_prefix("Unsupported ast node in sqltorel: ").unwrap_or(what);
    let end = what.find(" { ").unwrap_or(what.len());
    Some(format!("this SQL isn't supported: {}", what.get(..end)?))
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn messages_say_what_to_do() {
        for (message, words) in [
            (
                "Error during planning: table 'datafusion.public.nosuch' not found",
                "no table `nosuch`; `SHOW TABLES` lists the tables, and `--table name=file.csv` adds \
                 one",
            ),
            (
                "Error during planning: Invalid function 'summ'.\nDid you mean 'sum'?",
                "no function `summ`; did you mean `sum`?",
            ),
            (
                "Error during planning: Invalid function 'nosuch'.\nDid you mean 'cosh'?",
                "no function `nosuch`; `SHOW FUNCTIONS` lists the functions",
            ),
            (
                "Error during planning: Invalid function 'IF'.\nDid you mean 'ln'?",
                "no function `IF`; write CASE WHEN … THEN … ELSE … END",
            ),
            (
                "This feature is not implemented: Unsupported ast node in sqltorel: Collate { expr: x }",
                "this SQL isn't supported: Collate",
            ),
            ("Execution error: something else", "something else"),
        ] {
            assert_eq!(in_words(message), words);
        }
    }
}
