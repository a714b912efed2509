//! `query`.

use std::process::ExitCode;

use crate::{
    base::{Error, Result},
    cli::{
        args::{AnswerArgs, OutputFormat, QueryArgs, RootArgs},
        render, resolve, say, tell,
    },
    engine::{NamedQuery, Question, Stats, Tallybook},
};

pub(super) async fn run(root: &RootArgs, args: &QueryArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let params = args.param.iter().map(|param| parse_param(param)).collect::<Result<Vec<_>>>()?;
    let route = args.answer.route;
    let question = match (&args.name, &args.file, &args.sql) {
        (Some(name), ..) => NamedQuery::find(name)?.question(book.dataset(), &params, route)?,
        (None, Some(file), _) => Question { sql: resolve::read(file)?, params, route },
        (None, None, sql) => Question { sql: sql.clone().unwrap_or_default(), params, route },
    };
    answer(&book, &question, &args.answer).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the answer, or the explanation, as asked; gives what it cost, if it was answered.
pub(super) async fn answer(
    book: &Tallybook,
    question: &Question,
    args: &AnswerArgs,
) -> Result<Option<Stats>> {
    if args.explain {
        let explanation = book.explain(question).await?;
        match args.format {
            OutputFormat::Json | OutputFormat::Ndjson => say(to_json(&explanation)?)?,
            _ => say(explanation)?,
        }
        return Ok(None);
    }
    let mut answer = book.ask(question).await?;
    render::print(&mut answer, args.format).await?;
    let stats = answer.stats();
    if args.stats {
        tell(to_json(&stats)?);
    }
    Ok(Some(stats))
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("JSON").with_source(error))
}

fn parse_param(text: &str) -> Result<(String, Option<String>)> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Error::invalid(format!("--param `{text}` is not name=value")))?;
    Ok((name.to_owned(), Some(value.to_owned())))
}
