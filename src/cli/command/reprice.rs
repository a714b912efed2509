//! The `reprice` command.

use std::{process::ExitCode, sync::Arc};

use datafusion::arrow::{
    array::{ArrayRef, Decimal128Array, RecordBatch, StringArray, UInt64Array},
    datatypes::DataType,
};

use crate::{
    base::{Error, Result},
    cli::{
        args::{RepriceArgs, RootArgs},
        exit,
        render::{JobPrinter, counted, print_rows},
        resolve, tell,
    },
    engine::{PriceChange, PriceChanges, PriceTable, RepriceOptions},
};

pub(super) async fn run(root: &RootArgs, args: &RepriceArgs) -> Result<ExitCode> {
    resolve::check_order(args.span.from, args.span.to)?;
    let prices = match &args.prices {
        None => PriceTable::shipped()?,
        Some(path) => resolve::price_table(path)?,
    };
    let table = prices.id().to_owned();
    let db = resolve::open(root).await?;
    let (from, to) = (args.span.from, args.span.to);
    let options = RepriceOptions { from, to, prices, dry_run: args.dry_run };
    let mut printer = JobPrinter::default();
    let (summary, changes) = db.reprice(&options, |report| printer.report(report)).await?;
    let mut printed = printer.finish();
    if !changes.is_empty() {
        printed = printed.and_then(|()| print_rows(&[rows(&changes)?]));
    }
    if printer.keep_prices > 0 {
        let days = counted(printer.keep_prices, "purged day keeps its", "purged days keep their");
        tell(format_args!("{days} costs, also of late rows: what remains can't be priced anew"));
    }
    let days = counted(printer.days, "day", "days");
    tell(match (printer.days, args.dry_run) {
        (0, _) if !summary.failures.is_empty() => "no day was priced anew".to_owned(),
        (0, _) if printer.keep_prices > 0 => format!("{table} changes nothing on the other days"),
        (0, _) => format!("nothing changes: each row has its price by {table} already"),
        (_, true) => format!("{days} would be priced by {table}; nothing was changed"),
        (_, false) => format!(
            "{days} priced by {table}; `gc` deletes the files before them after its grace period"
        ),
    });
    exit::of_job(&summary.failures, printed)
}

/// The changes as a table.
fn rows(changes: &PriceChanges) -> Result<RecordBatch> {
    let count = |of: fn(&PriceChange) -> u64| -> ArrayRef {
        Arc::new(changes.values().map(of).collect::<UInt64Array>())
    };
    let cost = |of: fn(&PriceChange) -> i128| -> ArrayRef {
        let costs = changes.values().map(|change| Some(of(change))).collect::<Decimal128Array>();
        Arc::new(costs.with_data_type(DataType::Decimal128(38, 12)))
    };
    let months: StringArray = changes.keys().map(|(month, _)| Some(month.to_string())).collect();
    let models: StringArray = changes.keys().map(|(_, model)| model.as_deref()).collect();
    let columns: [(&str, ArrayRef); 8] = [
        ("month", Arc::new(months)),
        ("model", Arc::new(models)),
        ("calls", count(|change| change.calls)),
        ("cost_before", cost(|change| change.before)),
        ("cost_after", cost(|change| change.after)),
        ("difference", cost(|change| change.after - change.before)),
        ("unpriced_before", count(|change| change.unpriced_before)),
        ("unpriced_after", count(|change| change.unpriced_after)),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, values)| (name, values, true)),
    );
    rows.map_err(|error| Error::internal("the changes").with_source(error))
}
