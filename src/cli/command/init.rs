//! `init`.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{
        args::{InitArgs, RootArgs},
        resolve, tell,
    },
    model::Rollup,
};

pub(super) async fn run(root: &RootArgs, args: &InitArgs) -> Result<ExitCode> {
    let book = resolve::create(root, args.dataset.as_ref()).await?;
    let rollups: Vec<_> = book.dataset().rollups().iter().map(Rollup::name).collect();
    tell(format_args!(
        "{}: dataset {}, table {}, rollups {}",
        book.location(),
        book.dataset().name(),
        book.dataset().table(),
        rollups.join(", ")
    ));
    Ok(ExitCode::SUCCESS)
}
