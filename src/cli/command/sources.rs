//! The `sources` command.

use std::process::ExitCode;

use crate::{
    base::Result,
    cli::{args::SourcesArgs, say},
    sources::{shipped, shipped_text},
};

pub(super) fn run(args: &SourcesArgs) -> Result<ExitCode> {
    if let Some(name) = &args.name {
        say(shipped_text(name)?.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let sources = shipped()?;
    let width = sources.iter().map(|source| source.name.len()).max().unwrap_or_default();
    for source in &sources {
        let (name, about) = (&source.name, &source.about);
        let (version, as_of) = (source.version, &source.as_of);
        say(format_args!("{name:width$}  {about} (version {version}, as of {as_of})"))?;
    }
    Ok(ExitCode::SUCCESS)
}
