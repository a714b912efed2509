//! The `batches` command.

use std::{process::ExitCode, sync::Arc};

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};

use crate::{
    base::{Error, Result},
    cli::{
        args::{BatchesArgs, RootArgs, StatusFormat},
        render::print_rows,
        resolve, say, tell,
    },
    engine::Batch,
};

pub(super) async fn run(root: &RootArgs, args: &BatchesArgs) -> Result<ExitCode> {
    let db = resolve::open(root).await?;
    let batches = db.batches().await?;
    match args.format {
        StatusFormat::Json => {
            let json = serde_json::to_string(&batches);
            say(json.map_err(|error| Error::internal("JSON").with_source(error))?)?;
        }
        StatusFormat::Table if batches.is_empty() => tell("there are no batches"),
        StatusFormat::Table => print_rows(&[rows(&batches)?])?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The batches as a table.
fn rows(batches: &[Batch]) -> Result<RecordBatch> {
    let text = |of: fn(&Batch) -> Option<&str>| -> ArrayRef {
        Arc::new(batches.iter().map(of).collect::<StringArray>())
    };
    let count = |of: fn(&Batch) -> u64| -> ArrayRef {
        Arc::new(batches.iter().map(of).collect::<UInt64Array>())
    };
    let columns: [(&str, ArrayRef); 7] = [
        ("batch", text(|batch| Some(&batch.id))),
        ("appended", text(|batch| batch.appended.as_deref())),
        ("rows", count(|batch| batch.rows)),
        ("counted", count(|batch| batch.counted)),
        ("days", count(|batch| batch.days)),
        ("first_day", text(|batch| batch.first_day.as_deref())),
        ("last_day", text(|batch| batch.last_day.as_deref())),
    ];
    let columns = columns.map(|(name, values)| (name, values, true));
    RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|error| Error::internal("batches").with_source(error))
}
