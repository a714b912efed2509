//! A user's own file as a table beside the raw table.

use std::path::Path;

use datafusion::prelude::{CsvReadOptions, JsonReadOptions, ParquetReadOptions, SessionContext};

use crate::base::{Error, Result};

/// Registers a file, or a folder of files, as a table. The ending of its name decides the format:
/// CSV with a header, Parquet, or NDJSON.
///
/// # Errors
/// `NotFound` when there is no such file; `Invalid` when the ending is none of these, or the
/// content doesn't match the ending.
pub(crate) async fn register_file(context: &SessionContext, name: &str, path: &Path) -> Result<()> {
    std::fs::metadata(path).map_err(|error| Error::io(path.display(), error))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let location = path.to_string_lossy();
    let registered = match ending.to_ascii_lowercase().as_str() {
        "csv" => {
            let options = CsvReadOptions::new().file_extension(ending);
            context.register_csv(name, location.as_ref(), options).await
        }
        "parquet" => {
            let options = ParquetReadOptions::default();
            context.register_parquet(name, location.as_ref(), options).await
        }
        "ndjson" | "jsonl" | "json" => {
            let options = JsonReadOptions::default().file_extension(ending);
            context.register_json(name, location.as_ref(), options).await
        }
        _ => {
            return Err(Error::invalid(format!(
                "{}: a table is a .csv, .parquet or .ndjson file",
                path.display()
            )));
        }
    };
    registered.map_err(|error| Error::from(error).about(path.display()))
}
