//! Prints a table for people. Numbers are aligned to the right, and decimals have no idle zeros.
//! Each cell is formatted twice, for its column's width and to be printed, so that only the rows
//! themselves are in memory.

use std::{borrow::Cow, io::Write};

use arrow::{
    array::{Array, RecordBatch},
    datatypes::{DataType, Schema},
    error::ArrowError,
    util::display::{ArrayFormatter, FormatOptions},
};
use unicode_width::UnicodeWidthStr as _;

use crate::{
    base::{Error, Result},
    cli::exit::stdout_error,
};

/// Prints the rows in a frame, below their columns' names.
///
/// # Errors
/// The error of `within_limits`, which is called for every row; `Invalid` when a value can't be
/// printed; or an error of writing.
pub(super) fn print(
    schema: &Schema,
    batches: &[RecordBatch],
    out: &mut impl Write,
    within_limits: impl Fn() -> Result<()>,
) -> Result<()> {
    let names: Vec<_> = schema.fields().iter().map(|field| on_a_line(field.name())).collect();
    let mut widths: Vec<_> = names.iter().map(|name| name.width()).collect();
    for batch in batches {
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            within_limits()?;
            for (width, column) in widths.iter_mut().zip(&columns) {
                *width = (*width).max(column.cell(row)?.width());
            }
        }
    }
    let to_right: Vec<_> = schema.fields().iter().map(|f| f.data_type().is_numeric()).collect();
    let mut line = Lines { widths, to_right, out };
    line.rule(["┌", "─", "┬", "┐"])?;
    line.cells(names.into_iter().map(|name| Ok(name.into_owned())))?;
    line.rule(["╞", "═", "╪", "╡"])?;
    for batch in batches {
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            within_limits()?;
            line.cells(columns.iter().map(|column| column.cell(row)))?;
        }
    }
    line.rule(["└", "─", "┴", "┘"])
}

/// The lines of a table whose columns have these widths.
struct Lines<'a, W> {
    widths: Vec<usize>,
    to_right: Vec<bool>,
    out: &'a mut W,
}

impl<W: Write> Lines<'_, W> {
    fn rule(&mut self, [left, along, cross, right]: [&str; 4]) -> Result<()> {
        let parts: Vec<_> = self.widths.iter().map(|width| along.repeat(width + 2)).collect();
        self.line(&format!("{left}{}{right}", parts.join(cross)))
    }

    fn cells(&mut self, cells: impl Iterator<Item = Result<String>>) -> Result<()> {
        let places = self.widths.iter().zip(&self.to_right);
        let cells = cells.zip(places).map(|(cell, (width, to_right))| {
            let cell = cell?;
            let space = " ".repeat(width.saturating_sub(cell.width()));
            Ok(if *to_right { format!(" {space}{cell} ") } else { format!(" {cell}{space} ") })
        });
        let cells = cells.collect::<Result<Vec<_>>>()?;
        self.line(&format!("│{}│", cells.join("┆")))
    }

    fn line(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").map_err(stdout_error)
    }
}

/// A column's values, with a formatter that gives their texts.
struct Column<'a> {
    values: &'a dyn Array,
    texts: ArrayFormatter<'a>,
}

fn columns(batch: &RecordBatch) -> Result<Vec<Column<'_>>> {
    const OPTIONS: &FormatOptions<'_> = &FormatOptions::new();
    let columns = batch.columns().iter().map(|values| {
        let texts = ArrayFormatter::try_new(values, OPTIONS).map_err(unprintable)?;
        Ok(Column { values, texts })
    });
    columns.collect()
}

impl Column<'_> {
    fn cell(&self, row: usize) -> Result<String> {
        if self.values.is_null(row) {
            return Ok(String::new());
        }
        let text = self.texts.value(row).try_to_string().map_err(unprintable)?;
        Ok(match self.values.data_type() {
            DataType::Decimal128(..) => short(&text),
            _ => on_a_line(&text).into_owned(),
        })
    }
}

fn unprintable(error: ArrowError) -> Error {
    Error::invalid(format!("printing a table: {error}")).with_source(error)
}

/// The text with control characters escaped: line ends, and anything else that a terminal would
/// obey.
fn on_a_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if letter.is_control() {
            shown.extend(letter.escape_debug());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// The decimal without zeros at its end, but with at least two places.
fn short(decimal: &str) -> String {
    let Some((whole, places)) = decimal.split_once('.') else { return decimal.to_owned() };
    let kept = places.trim_end_matches('0');
    format!("{whole}.{kept:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_framed_and_aligned() {
        let names: arrow::array::ArrayRef =
            std::sync::Arc::new(arrow::array::StringArray::from(vec!["né", "a\nb", "表"]));
        let numbers: arrow::array::ArrayRef =
            std::sync::Arc::new(arrow::array::Int64Array::from(vec![Some(7), None, Some(-12)]));
        let batch = RecordBatch::try_from_iter([("name", names), ("n", numbers)]).unwrap();
        let mut out = Vec::new();
        print(&batch.schema(), &[batch.slice(0, 2), batch.slice(2, 1)], &mut out, || Ok(()))
            .unwrap();
        let expected = "┌──────┬─────┐\n\
                        │ name ┆   n │\n\
                        ╞══════╪═════╡\n\
                        │ né   ┆   7 │\n\
                        │ a\\nb ┆     │\n\
                        │ 表   ┆ -12 │\n\
                        └──────┴─────┘\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

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
