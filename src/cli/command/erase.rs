//! The `erase` command.

use std::process::ExitCode;

use crate::{
    base::{Error, Result},
    cli::{
        args::{EraseArgs, RootArgs},
        exit,
        render::{JobPrinter, counted},
        resolve, tell,
    },
    engine::Dataset,
};

pub(super) async fn run(root: &RootArgs, args: &EraseArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let columns = columns(args, db.dataset())?;
    let mut printer = JobPrinter::default();
    let erased = db.erase(&columns, args.dry_run, |report| printer.report(report)).await;
    let printed = printer.finish();
    let summary = erased?;
    // What belongs to no day, such as a batch's claim that can't be read.
    for failure in summary.failures.iter().skip(printer.failures) {
        tell(format_args!("tallybook: {failure}"));
    }
    let days = printer.days;
    tell(match (days, args.dry_run) {
        (0, _) if !summary.failures.is_empty() => "nothing was erased".to_owned(),
        (0, _) => "there are no such rows".to_owned(),
        (_, true) => format!("{} such rows", counted(days, "day has", "days have")),
        (_, false) if summary.failures.is_empty() => format!(
            "erased from {}, and made sure of it; `gc` deletes the files that held them after its \
             grace period (at once with --grace 0s)",
            counted(days, "day", "days")
        ),
        (_, false) => format!("erased from {}", counted(days, "day", "days")),
    });
    if printer.not_told > 0 {
        tell(format_args!(
            "{} left alone: nothing that remains tells whose rows they count",
            counted(printer.not_told, "purged day was", "purged days were")
        ));
    }
    exit::of_job(&summary.failures, printed)
}

/// The columns, each with the value that a row must have in it to be erased.
fn columns(args: &EraseArgs, dataset: &Dataset) -> Result<Vec<(String, String)>> {
    let batch = dataset.batch_column();
    if args.batch.is_some() && batch.is_none() {
        return Err(Error::invalid(format!(
            "the definition `{}` has no column for batches: `batch = …`",
            dataset.name()
        )));
    }
    let named = [
        ("organization_id", &args.organization),
        ("user_id", &args.user),
        (batch.unwrap_or_default(), &args.batch),
    ];
    if named.iter().any(|(_, value)| value.as_ref().is_some_and(String::is_empty)) {
        return Err(Error::invalid(
            "the organization, the user or the batch is empty; is a variable of the script not set?",
        ));
    }
    let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let mut columns: Vec<_> = named.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    for given in &args.columns {
        let (name, value) = given.split_once('=').ok_or_else(|| {
            Error::invalid(format!("--where {given}: it is a column and a value, COLUMN=VALUE"))
        })?;
        columns.push((name.to_owned(), value.to_owned()));
    }
    Ok(columns)
}
