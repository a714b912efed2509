//! A table for people: numbers to the right, decimals without their idle zeros.

use arrow::{
    array::{Array, RecordBatch},
    datatypes::{DataType, Schema},
    util::display::{ArrayFormatter, FormatOptions},
};
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use crate::base::{Error, Result};

pub(super) fn render(schema: &Schema, batches: &[RecordBatch]) -> Result<Table> {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    let align = |kind: &DataType| {
        if kind.is_numeric() { CellAlignment::Right } else { CellAlignment::Left }
    };
    let header = schema.fields().iter();
    table.set_header(header.map(|f| Cell::new(f.name()).set_alignment(align(f.data_type()))));
    let options = FormatOptions::default();
    let fail = |error| Error::internal("printing a table").with_source(error);
    for batch in batches {
        let columns = batch.columns().iter().map(|column| {
            ArrayFormatter::try_new(column, &options).map(|formatter| (column, formatter))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(fail)?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|(column, formatter)| {
                let text = if column.is_null(row) {
                    String::new()
                } else {
                    let text = formatter.value(row).to_string();
                    match column.data_type() {
                        DataType::Decimal128(..) => short(&text),
                        _ => text,
                    }
                };
                Cell::new(text).set_alignment(align(column.data_type()))
            });
            table.add_row(cells.collect::<Vec<_>>());
        }
    }
    Ok(table)
}

/// Zeros at the end say nothing; two places always stay.
fn short(decimal: &str) -> String {
    let Some((whole, places)) = decimal.split_once('.') else { return decimal.to_owned() };
    let kept = places.trim_end_matches('0');
    format!("{whole}.{kept:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_zeros_go_and_digits_stay() {
        for (long, text) in [
            ("1.000000000000", "1.00"),
            ("0.000000000001", "0.000000000001"),
            ("12.340000", "12.34"),
            ("7.5", "7.50"),
            ("7", "7"),
        ] {
            assert_eq!(short(long), text);
        }
    }
}
