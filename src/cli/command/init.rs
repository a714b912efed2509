//! The `init` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{InitArgs, RootArgs},
        resolve, tell,
    },
    engine::Rollup,
};

pub(super) async fn run(root: &RootArgs, args: &InitArgs) -> Result<ExitCode> {
    let db = match &args.dataset {
        Some(definition) if args.replace => resolve::redefine(root, definition).await?,
        definition => resolve::create(root, definition.as_ref()).await?,
    };
    let rollups: Vec<_> = db.dataset().rollups().iter().map(Rollup::name).collect();
    tell(format_args!(
        "{}: dataset {}, table {}, rollups {}",
        db.location(),
        db.dataset().name(),
        db.dataset().table(),
        rollups.join(", ")
    ));
    Ok(ExitCode::SUCCESS)
}
