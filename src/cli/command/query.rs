//! The `query` command.

use std::{path::Path, process::ExitCode};

use crate::{
    base::{Error, Result},
    cli::{
        args::{AnswerArgs, OutputFormat, QueryArgs, RootArgs},
        render, resolve, say, tell,
    },
    engine::{Query, Stats, Tallybook},
    reports::NamedQuery,
};

pub(super) async fn run(root: &RootArgs, args: &QueryArgs) -> Result<ExitCode> {
    let db = resolve::open_for_query(root, &args.answer).await?;
    for table in &args.table {
        let (name, path) = named("--table", table)?;
        db.register_file(name, Path::new(path)).await?;
    }
    let params = args.param.iter().map(|param| named("--param", param));
    let params = params.map(|param| param.map(|(k, v)| (k.to_owned(), Some(v.to_owned()))));
    let params = params.collect::<Result<Vec<_>>>()?;
    let query = match (&args.name, &args.file, &args.sql) {
        (Some(name), ..) => {
            NamedQuery::find(name)?.query(db.dataset(), &params, args.answer.route)?
        }
        (None, Some(file), _) => Query::sql(resolve::read(file)?).with_params(params),
        (None, None, sql) => Query::sql(sql.clone().unwrap_or_default()).with_params(params),
    };
    let query = query.by_route(args.answer.route).in_time_zone(args.answer.time_zone);
    answer(&db, &query, &args.answer).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the answer, or with `--explain` the explanation. Returns what the answer cost; `None`
/// for an explanation.
pub(super) async fn answer(
    db: &Tallybook,
    query: &Query,
    args: &AnswerArgs,
) -> Result<Option<Stats>> {
    if args.explain {
        let explanation = db.explain(query).await?;
        match args.format {
            OutputFormat::Json | OutputFormat::Ndjson => say(to_json(&explanation)?)?,
            _ => say(explanation)?,
        }
        return Ok(None);
    }
    let mut answer = db.query(query).await?;
    render::print(&mut answer, args.format, args.max_rows.is_some()).await?;
    let stats = answer.stats();
    if args.stats {
        tell(to_json(&stats)?);
    }
    Ok(Some(stats))
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("JSON").with_source(error))
}

fn named<'t>(flag: &str, text: &'t str) -> Result<(&'t str, &'t str)> {
    let found = text.split_once('=');
    found.ok_or_else(|| Error::invalid(format!("{flag} `{text}` is not name=value")))
}
