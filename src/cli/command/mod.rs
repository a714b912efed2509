//! The commands, one file each.

mod append;
mod batches;
mod compact;
mod demo;
mod erase;
mod files;
mod gc;
mod init;
mod nightly;
mod purge;
mod query;
mod repair;
mod reprice;
mod rollup;
mod schedule;
mod sources;
mod status;
mod usage;
mod verify;

use std::process::ExitCode;

use super::args::{Args, Command};
use crate::base::Result;

/// Runs the command that was typed.
pub(super) async fn run(args: Args) -> Result<ExitCode> {
    let root = &args.root;
    match &args.command {
        Command::Init(init) => init::run(root, init).await,
        Command::Append(append) => append::run(root, append).await,
        Command::Rollup(rollup) => rollup::run(root, rollup).await,
        Command::Nightly => nightly::run(root).await,
        Command::Query(query) => query::run(root, query).await,
        Command::Usage(usage) => usage::run(root, usage).await,
        Command::Status(status) => status::run(root, status).await,
        Command::Verify(span) => verify::run(root, span).await,
        Command::Batches(batches) => batches::run(root, batches).await,
        Command::Files(span) => files::run(root, span).await,
        Command::Compact(compact) => compact::run(root, compact).await,
        Command::Purge(purge) => purge::run(root, purge).await,
        Command::Erase(erase) => erase::run(root, erase).await,
        Command::Reprice(reprice) => reprice::run(root, reprice).await,
        Command::Gc(args) => gc::run(root, args).await,
        Command::Repair(args) => repair::run(root, args).await,
        Command::Schedule(schedule) => schedule::run(root, schedule),
        Command::Sources(sources) => sources::run(sources),
        Command::Demo(demo) => demo::run(root, demo).await,
    }
}
