//! The `repair` command.

use std::{
    io::{IsTerminal as _, stdin},
    process::ExitCode,
};

use crate::{
    base::{Error, Result},
    cli::{
        args::{RepairArgs, RootArgs},
        exit,
        render::count,
        resolve, say, tell,
    },
    engine::Repair,
};

pub(super) async fn run(root: &RootArgs, args: &RepairArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let Some(repair) = db.conclude_repair(args.day).await? else {
        say(format_args!("{}: needs no repair", args.day))?;
        return Ok(ExitCode::SUCCESS);
    };
    say(words(&repair))?;
    if !args.yes && !is_wanted()? {
        tell("nothing was written; `--yes` writes the manifest without asking");
        return Ok(ExitCode::from(exit::NO));
    }
    if !db.repair(&repair).await? {
        let what = format!("{}: somebody else wrote a manifest meanwhile; look again", args.day);
        return Err(Error::conflict(what));
    }
    tell("the manifest is written; `verify` checks the day");
    Ok(ExitCode::SUCCESS)
}

/// The message that says what the new manifest would hold.
fn words(repair: &Repair) -> String {
    let Repair { day, generation, files, rows, purged, leaves, beside, .. } = repair;
    let (files, rows, leaves) = (count(*files as u64), count(*rows), count(*leaves as u64));
    let what = if *purged {
        format!("what remains of {rows} purged rows, in {files} files")
    } else {
        format!("{rows} rows in {files} files")
    };
    let beside = match beside {
        0 => "no leaf is beside them".to_owned(),
        beside => format!("{} leaves beside them count by themselves", count(*beside as u64)),
    };
    format!(
        "{day}: the files of generation {generation} are whole: {what}, made of {leaves} leaves; \
         {beside}"
    )
}

/// Whether a person at the terminal says yes. Without a terminal, the answer is no.
fn is_wanted() -> Result<bool> {
    if !stdin().is_terminal() {
        return Ok(false);
    }
    tell("Were there later generations, this brings back what they changed. Write it? [y/N]");
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| Error::io("standard input", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
