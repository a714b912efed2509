//! Running a query, with its answer as text.

use tallybook::{
    Query, Stats, Tallybook,
    datafusion::arrow::{array::RecordBatch, csv},
};

/// An answer as CSV, and its cost.
///
/// # Errors
/// The error of the query.
pub(crate) async fn try_answer(
    db: &Tallybook,
    query: &Query,
) -> Result<(String, Stats), tallybook::Error> {
    let answer = db.query(query).await?;
    let schema = answer.schema();
    let (batches, stats) = answer.collect().await?;
    let mut text = Vec::new();
    let mut writer = csv::Writer::new(&mut text);
    writer.write(&RecordBatch::new_empty(schema)).unwrap();
    for batch in batches {
        writer.write(&batch).unwrap();
    }
    drop(writer);
    Ok((String::from_utf8(text).unwrap(), stats))
}
