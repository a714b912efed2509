//! The `append` command.

use std::{process::ExitCode, sync::Arc, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    base::Result,
    cli::{
        args::{AppendArgs, InputFormat, RootArgs},
        render::{AppendPrinter, count, counted},
        resolve, tell,
    },
    engine::{AppendOptions, BatchId, Format, Input, Rejects, check},
};

pub(super) async fn run(root: &RootArgs, args: &AppendArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let batch = args.batch.clone().map(BatchId::try_new).transpose()?;
    let map = match &args.map {
        None => None,
        Some(path) => Some((resolve::read(path)?, path.display().to_string())),
    };
    let prices = match &args.prices {
        None => None,
        Some(path) => Some(resolve::price_table(path)?),
    };
    let inputs = inputs(args).await?;
    let rejects = rejects(args)?;
    check(&inputs, &rejects)?;
    let bar = progress_bar(&inputs);
    let ticking = bar.clone();
    let options = AppendOptions {
        batch,
        format: args.format.map(|format| match format {
            InputFormat::Ndjson => Format::Ndjson,
            InputFormat::Json => Format::Json,
            InputFormat::Csv => Format::Csv,
            InputFormat::Parquet => Format::Parquet,
        }),
        map,
        from: args.from.clone(),
        fixed: args.set.clone(),
        time: args.time.clone(),
        prices,
        dry_run: args.dry_run,
        rejects,
        progress: Some(Arc::new(move |bytes, rows| {
            ticking.set_position(bytes);
            ticking.set_message(format!("{} rows", count(rows)));
        })),
    };
    let db = resolve::open_or_make(root, args.dataset.as_ref()).await?;
    let appended = db.append(inputs, options).await;
    bar.finish_and_clear();
    let report = AppendPrinter { named: args.batch.is_some(), started };
    if args.dry_run {
        report.print_dry_run(&appended?)?;
    } else {
        report.print(&appended?);
    }
    Ok(ExitCode::SUCCESS)
}

/// The file for bad rows. Bad rows must not overwrite a file that this run or another one needs.
fn rejects(args: &AppendArgs) -> Result<Rejects> {
    let file = args.rejects.as_deref().filter(|_| !args.dry_run);
    let rejects = Rejects::new(args.max_rejects, file)?;
    let others = [
        (&args.map, "the field map"),
        (&args.dataset, "the definition"),
        (&args.prices, "the price table"),
    ];
    for (path, what) in others {
        path.iter().try_for_each(|path| rejects.spare_file(path, what))?;
    }
    Ok(rejects)
}

async fn inputs(args: &AppendArgs) -> Result<Vec<Input>> {
    if args.files.is_empty() {
        return Ok(vec![Input::stdin()]);
    }
    let settings = resolve::settings();
    let mut inputs = Vec::new();
    for file in &args.files {
        match file.to_str() {
            Some(location) => inputs.extend(Input::at(location, &settings).await?),
            None => inputs.push(Input::file(file)),
        }
    }
    let count = inputs.len();
    let inputs = Input::each_once(inputs);
    let twice = count - inputs.len();
    if twice > 0 {
        tell(format_args!(
            "{} given twice; each file is read once",
            counted(twice as u64, "file is", "files are")
        ));
    }
    Ok(inputs)
}

/// A progress bar. indicatif shows it only on a terminal.
fn progress_bar(inputs: &[Input]) -> ProgressBar {
    let sizes: Option<Vec<u64>> = inputs.iter().map(Input::size).collect();
    let template =
        "{bar:30} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {msg} {eta}";
    match sizes {
        Some(sizes) => {
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(sizes.iter().sum()).with_style(style)
        }
        None => ProgressBar::new_spinner(),
    }
}
