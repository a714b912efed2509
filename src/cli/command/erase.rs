//! `erase`.

use std::process::ExitCode;

use crate::{
    base::{Error, Result},
    cli::{
        args::{EraseArgs, RootArgs},
        exit,
        render::count,
        resolve, say, tell,
    },
    engine::Erasure,
};

pub(super) async fn run(root: &RootArgs, args: &EraseArgs) -> Result<ExitCode> {
    let book = resolve::open(root).await?;
    let columns = columns(args)?;
    let (mut days, mut silent, mut failed, mut printed) = (0, 0, None, Ok(()));
    book.erase(&columns, args.dry_run, |day, done| match done {
        Erasure::Planned | Erasure::Erased => {
            days += 1;
            if printed.is_ok() {
                printed = say(day);
            }
        }
        Erasure::Dropped { rollup } => tell(format_args!(
            "{day}: its raw rows were purged, and rollup {rollup} doesn't tell whose rows it counts; \
             the rollup has no answer for this day any more"
        )),
        Erasure::NotTold => silent += 1,
        Erasure::OwnerDeletes { file } => tell(format_args!(
            "{day}: {file} is not of this program's making and holds such rows; it doesn't count, \
             and is its owner's to delete"
        )),
        Erasure::NotBuilt(error) => {
            tell(format_args!("tallybook: {error}"));
            failed.get_or_insert_with(|| Error::new(error.kind(), error.to_string()));
        }
    })
    .await?;
    printed?;
    tell(match (days, args.dry_run) {
        (0, _) => "there are no such rows".to_owned(),
        (days, true) => format!("{} days have such rows", count(days)),
        (days, false) => format!(
            "erased from {} days, and made sure of it; `gc` deletes the files that held them after \
             its grace period (at once with --grace 0s)",
            count(days)
        ),
    });
    if silent > 0 {
        tell(format_args!(
            "{} purged days were left alone: nothing that remains of them tells whose rows it counts",
            count(silent)
        ));
    }
    Ok(failed.as_ref().map_or(ExitCode::SUCCESS, exit::code_of))
}

/// The columns that rows must have those values in.
fn columns(args: &EraseArgs) -> Result<Vec<(String, String)>> {
    let named = [("organization_id", &args.organization), ("user_id", &args.user)];
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
