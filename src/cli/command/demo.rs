//! The `demo` command: the whole way from logs to a report, on made-up logs.

use std::{process::ExitCode, time::Instant};

use arrow::{
    array::{AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type},
    util::pretty::pretty_format_batches,
};
use indicatif::ProgressBar;

use crate::{
    base::{Day, Error, Result, Route},
    cli::{
        args::{DemoArgs, RootArgs},
        render::{bars, count},
        resolve, say, tell,
    },
    engine::{AppendOptions, BatchId, Input, RollupOptions, Stats, Tallybook},
    reports::{NamedQuery, SampleLog},
};

/// The demo's root when none is given. It isn't [`resolve::DEFAULT_ROOT`], so that the demo's
/// rows never get among a user's own.
const DEMO_ROOT: &str = "./tallybook-demo";

pub(super) async fn run(root: &RootArgs, args: &DemoArgs) -> Result<ExitCode> {
    let location = root.root.as_deref().unwrap_or(DEMO_ROOT);
    let db = Tallybook::builder(location).settings(resolve::settings()).create().await?;
    let last = db.clock().today().plus(-1);
    let first = last.plus(1 - i32::from(args.days));
    append(&db, args, (first, last)).await?;
    rollup(&db).await?;
    let (rolled, rolled_stats) = report(&db, "month", (first, last), Route::Auto).await?;
    let (raw, raw_stats) = report(&db, "month", (first, last), Route::Raw).await?;
    say("\nThe platform by month:")?;
    let shown = pretty_format_batches(&rolled);
    say(shown.map_err(|error| Error::internal("table").with_source(error))?)?;
    compare(&rolled_stats, &raw_stats)?;
    if rolled != raw {
        return Err(Error::internal("the two routes give different answers"));
    }
    say("Both give the same answer, to the last digit.")?;
    chart(&db, last).await?;
    say(format_args!("\nNow try: tallybook --root {location} usage platform --last 30d"))?;
    Ok(ExitCode::SUCCESS)
}

/// Appends the sample log in hourly batches with ids, so that the demo can be run again.
async fn append(db: &Tallybook, args: &DemoArgs, (first, last): (Day, Day)) -> Result<()> {
    let log = SampleLog {
        seed: args.seed,
        organizations: args.organizations,
        rows_per_hour: args.rows_per_hour,
    };
    let started = Instant::now();
    let batches = u64::from(args.days) * 24;
    tell(format_args!("appending {first} to {last} in {} hourly batches", count(batches)));
    let bar = ProgressBar::new(batches);
    let mut rows = 0;
    for offset in 0..i32::from(args.days) {
        for hour in 0..24 {
            let day = first.plus(offset);
            let name = format!(
                "demo-{}-{}-{}-{day}T{hour:02}",
                args.seed, args.organizations, args.rows_per_hour
            );
            let input = Input::bytes(format!("{name}.ndjson"), log.hour(day, hour));
            let batch = Some(BatchId::try_new(name)?);
            let options = AppendOptions { batch, ..AppendOptions::default() };
            rows += db.append(vec![input], options).await?.rows;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    tell(format_args!("{} rows in {:.1} s", count(rows), started.elapsed().as_secs_f64()));
    Ok(())
}

async fn rollup(db: &Tallybook) -> Result<()> {
    let started = Instant::now();
    let bar = ProgressBar::new_spinner();
    let summary = db.rollup(&RollupOptions::default(), |_| bar.tick()).await?;
    bar.finish_and_clear();
    let built = summary.into_result()?;
    tell(format_args!(
        "{} segments built in {:.1} s",
        count(built),
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

async fn report(
    db: &Tallybook,
    by: &str,
    (first, last): (Day, Day),
    route: Route,
) -> Result<(Vec<RecordBatch>, Stats)> {
    let params = [
        ("by".to_owned(), Some(by.to_owned())),
        ("from".to_owned(), Some(first.to_string())),
        ("to".to_owned(), Some(last.to_string())),
    ];
    let query = NamedQuery::find("usage_by")?.query(db.dataset(), &params, route)?;
    db.query(&query).await?.collect().await
}

fn compare(rolled: &Stats, raw: &Stats) -> Result<()> {
    for (name, stats) in [("rollups", rolled), ("raw rows", raw)] {
        say(format_args!(
            "from {name}: {:.1} ms, {} rows in {} files",
            stats.elapsed_ms,
            count(stats.rows_scanned as u64),
            count(stats.files as u64)
        ))?;
    }
    say(format_args!("{:.1} times as fast from rollups.", raw.elapsed_ms / rolled.elapsed_ms))
}

async fn chart(db: &Tallybook, last: Day) -> Result<()> {
    let (batches, _) = report(db, "day", (last.plus(-29), last), Route::Auto).await?;
    let mut days = Vec::new();
    for batch in &batches {
        let as_type = |name: &str, kind: &DataType| {
            let column = batch.column_by_name(name);
            let column = column.ok_or_else(|| Error::internal(format!("no column {name}")))?;
            cast(column, kind).map_err(|error| Error::internal(name).with_source(error))
        };
        let labels = as_type("day", &DataType::Utf8)?;
        let costs = as_type("total_cost", &DataType::Float64)?;
        let labels = labels.as_string::<i32>().iter().flatten().map(str::to_owned);
        days.extend(
            labels.zip(costs.as_primitive::<Float64Type>().iter().map(Option::unwrap_or_default)),
        );
    }
    say("\nUS dollars a day:")?;
    bars(&days, 40).into_iter().try_for_each(say)
}
