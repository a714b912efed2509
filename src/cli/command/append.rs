//! The `append` command.

use std::{process::ExitCode, sync::Arc, time::Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    base::Result,
    cli::{
        args::{AppendArgs, InputFormat, RootArgs},
        render::{count, counted, size},
        resolve, tell,
    },
    engine::{AppendOptions, AppendReport, BatchId, Format, Input, Rejects, check},
};

pub(super) async fn run(root: &RootArgs, args: &AppendArgs) -> Result<ExitCode> {
    let started = Instant::now();
    let batch = args.batch.clone().map(BatchId::try_new).transpose()?;
    let map = match &args.map {
        None => None,
        Some(path) => Some((resolve::read(path)?, path.display().to_string())),
    };
    let inputs = inputs(args);
    let rejects = rejects(args)?;
    check(&inputs, &rejects)?;
    let bar = progress_bar(&inputs);
    let ticking = bar.clone();
    let options = AppendOptions {
        batch,
        format: args.format.map(|format| match format {
            InputFormat::Ndjson => Format::Ndjson,
            InputFormat::Csv => Format::Csv,
            InputFormat::Parquet => Format::Parquet,
        }),
        map,
        rejects,
        progress: Some(Arc::new(move |bytes, rows| {
            ticking.set_position(bytes);
            ticking.set_message(format!("{} rows", count(rows)));
        })),
    };
    let db = resolve::open_or_make(root, args.dataset.as_ref()).await?;
    let appended = db.append(inputs, options).await;
    bar.finish_and_clear();
    report(&appended?, args.batch.is_some(), started);
    Ok(ExitCode::SUCCESS)
}

/// The file for bad rows. Bad rows must not overwrite a file that this run or another one needs.
fn rejects(args: &AppendArgs) -> Result<Rejects> {
    let rejects = Rejects::new(args.max_rejects, args.rejects.as_deref())?;
    let others = [(&args.map, "the field map"), (&args.dataset, "the definition")];
    for (path, what) in others {
        path.iter().try_for_each(|path| rejects.spare_file(path, what))?;
    }
    Ok(rejects)
}

fn inputs(args: &AppendArgs) -> Vec<Input> {
    if args.files.is_empty() {
        return vec![Input::stdin()];
    }
    let input = |path: &std::path::PathBuf| match path.to_str() {
        Some("-") => Input::stdin(),
        _ => Input::file(path),
    };
    args.files.iter().map(input).collect()
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

fn no_rows(report: &AppendReport, named: bool) -> String {
    let held = match report.rejected {
        0 => "the input held no rows".to_owned(),
        count => format!("the input held no good rows ({count} rejects)"),
    };
    if named {
        format!("{held}: nothing was appended, and batch id {} was not used up", report.batch)
    } else {
        format!("{held}: nothing was appended")
    }
}

fn report(report: &AppendReport, named: bool, started: Instant) {
    for line in &report.reject_reasons {
        tell(format_args!("rejected {line}"));
    }
    for (what, rows) in &report.warnings {
        tell(format_args!("warning: {} {what}", counted(*rows, "row has", "rows have")));
    }
    if report.rows == 0 {
        tell(no_rows(report, named));
        return;
    }
    if named && report.leaves_new == 0 && report.leaves > 0 {
        tell(format_args!(
            "batch {} was appended before; nothing changed ({}, {})",
            report.batch,
            counted(report.rows, "row", "rows"),
            counted(report.rejected, "reject", "rejects")
        ));
        return;
    }
    if !named {
        tell(format_args!(
            "batch {} is random: the same input again would count twice; name it with --batch",
            report.batch
        ));
    }
    let days = match report.days.as_slice() {
        [] => "0 days".to_owned(),
        [day] => format!("1 day ({day})"),
        [first, .., last] => format!("{} days ({first} to {last})", report.days.len()),
    };
    #[expect(clippy::cast_precision_loss, reason = "a speed for people")]
    let speed = report.rows as f64 / started.elapsed().as_secs_f64().max(1e-9);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a speed for people"
    )]
    let speed = count(speed as u64);
    tell(format_args!(
        "appended {} of {days}: {} in {}, {}, {speed} rows/s",
        counted(report.rows, "row", "rows"),
        size(report.bytes),
        counted(report.leaves as u64, "leaf", "leaves"),
        counted(report.rejected, "reject", "rejects")
    ));
}
