//! Comparing a segment's rows with the rows that it should have.

use std::sync::Arc;

use arrow::{
    array::RecordBatch,
    compute::concat_batches,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};

use crate::base::{Error, Result};

/// All batches as one, with the segment's columns only.
pub(super) fn joined(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let fail = |error| Error::from(datafusion::error::DataFusionError::from(error));
    let wanted: Vec<usize> = (0..schema.fields().len()).collect();
    let batches: Result<Vec<_>, _> = batches
        .iter()
        .map(|batch| {
            let columns = batch.project(&wanted)?.columns().to_vec();
            RecordBatch::try_new(Arc::clone(schema), columns)
        })
        .collect();
    concat_batches(schema, &batches.map_err(fail)?).map_err(fail)
}

/// The first place where stored rows differ from the expected ones.
pub(super) fn first_difference(expected: &RecordBatch, stored: &RecordBatch) -> Option<String> {
    if expected == stored {
        return None;
    }
    if expected.num_rows() != stored.num_rows() {
        return Some(format!(
            "has {} rows where the raw rows make {}",
            stored.num_rows(),
            expected.num_rows()
        ));
    }
    for row in 0..expected.num_rows() {
        for (field, (raw, kept)) in expected
            .schema_ref()
            .fields()
            .iter()
            .zip(expected.columns().iter().zip(stored.columns()))
        {
            if raw.slice(row, 1) != kept.slice(row, 1) {
                let show = |array| {
                    let options = FormatOptions::default().with_null("NULL");
                    ArrayFormatter::try_new(array, &options).map_or_else(
                        |error| error.to_string(),
                        |shown| shown.value(row).to_string(),
                    )
                };
                return Some(format!(
                    "row {}, {}: {} where the raw rows make {}",
                    row + 1,
                    field.name(),
                    show(kept.as_ref()),
                    show(raw.as_ref())
                ));
            }
        }
    }
    Some("differs from what the raw rows make".to_owned())
}
