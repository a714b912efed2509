//! Builds typed columns. The last row can be removed again: a row may turn out to be bad after
//! some of its values were added.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray, new_null_array,
    },
    buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer},
    error::ArrowError,
};

use crate::{
    model::ColumnType,
    sources::{Scalar, TimeForm, scalar, tags},
};

/// Values of one column, and which of them are NULL.
#[derive(Debug)]
pub(crate) struct TypedColumn {
    kind: ColumnType,
    rows: usize,
    /// The values of all rows. Not filled in as long as all rows are NULL.
    values: Values,
    /// Which rows have a value; `None` as long as all rows have one, or none has.
    valid: Option<Vec<bool>>,
    all_null: bool,
}

#[derive(Debug)]
enum Values {
    /// Integers, and microseconds since 1970.
    Integer(Vec<i64>),
    Decimal(Vec<i128>),
    Float(Vec<f64>),
    Boolean(Vec<bool>),
    /// All texts in one string, and the offset where each text ends.
    Text(String, Vec<i32>),
}

impl TypedColumn {
    /// An empty column with room for `rows` rows.
    pub(crate) fn with_capacity(kind: ColumnType, rows: usize) -> Self {
        let values = match kind {
            ColumnType::Timestamp | ColumnType::Integer => {
                Values::Integer(Vec::with_capacity(rows))
            }
            ColumnType::Decimal(..) => Values::Decimal(Vec::with_capacity(rows)),
            ColumnType::Float => Values::Float(Vec::with_capacity(rows)),
            ColumnType::Boolean => Values::Boolean(Vec::with_capacity(rows)),
            ColumnType::Text | ColumnType::Tags => {
                Values::Text(String::new(), Vec::with_capacity(rows))
            }
        };
        Self { kind, rows: 0, values, valid: None, all_null: true }
    }

    pub(crate) const fn len(&self) -> usize {
        self.rows
    }

    /// Adds a value. Gives whether the value is a time without a zone. The error is the reason
    /// why the value doesn't fit the column; then no value is added.
    pub(crate) fn push(&mut self, scalar: &Scalar<'_>, form: TimeForm) -> Result<bool, String> {
        let mut zoneless = false;
        if let Scalar::Null = scalar {
            self.push_null();
            return Ok(false);
        }
        if self.kind == ColumnType::Tags {
            let tags = tags(scalar)?;
            match &tags {
                None => self.push_null(),
                Some(tags) => self.push_text(tags)?,
            }
            return Ok(false);
        }
        if self.all_null {
            self.values.resize(self.rows);
        }
        match (&mut self.values, self.kind) {
            (Values::Integer(values), ColumnType::Timestamp) => {
                let (micros, without) = scalar::instant(scalar, form)?;
                values.push(micros);
                zoneless = without;
            }
            (Values::Integer(values), _) => values.push(scalar::integer(scalar)?),
            (Values::Decimal(values), ColumnType::Decimal(precision, scale)) => {
                values.push(scalar::decimal(scalar, precision, scale)?);
            }
            (Values::Decimal(_), _) => return Err("has no scale".to_owned()),
            // -0.0 and 0.0 are equal numbers with different bits. Adding 0.0 makes both 0.0.
            (Values::Float(values), _) => values.push(scalar::float(scalar)? + 0.0),
            (Values::Boolean(values), _) => values.push(scalar::boolean(scalar)?),
            (Values::Text(..), _) => {
                self.push_text(&scalar::text(scalar)?)?;
                return Ok(false);
            }
        }
        self.mark_valid();
        Ok(zoneless)
    }

    fn push_text(&mut self, text: &str) -> Result<(), String> {
        if self.all_null {
            self.values.resize(self.rows);
        }
        if let Values::Text(texts, ends) = &mut self.values {
            let end = i32::try_from(texts.len() + text.len());
            ends.push(end.map_err(|_| "is too long".to_owned())?);
            texts.push_str(text);
        }
        self.mark_valid();
        Ok(())
    }

    /// Counts the row of the value that was added, and marks the row as valid.
    fn mark_valid(&mut self) {
        match &mut self.valid {
            Some(valid) => valid.push(true),
            None if self.all_null && self.rows > 0 => {
                let mut valid = vec![false; self.rows];
                valid.push(true);
                self.valid = Some(valid);
            }
            None => {}
        }
        self.all_null = false;
        self.rows += 1;
    }

    pub(crate) fn push_null(&mut self) {
        self.rows += 1;
        if self.all_null {
            return;
        }
        self.values.resize(self.rows);
        let before = self.rows - 1;
        self.valid.get_or_insert_with(|| vec![true; before]).push(false);
    }

    /// Removes all rows but the first `rows`.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.rows = rows;
        if !self.all_null {
            self.values.resize(rows);
        }
        if let Some(valid) = &mut self.valid {
            valid.truncate(rows);
        }
    }

    fn last_is_valid(&self) -> bool {
        let valid = self.valid.as_ref();
        !self.all_null && self.rows > 0 && valid.is_none_or(|valid| valid.last() == Some(&true))
    }

    /// Replaces the last row's NULL with a decimal, given in the column's scale without its
    /// point.
    pub(crate) fn set_last(&mut self, value: i128) {
        let Some(before) = self.rows.checked_sub(1) else { return };
        self.truncate(before);
        if self.all_null {
            self.values.resize(before);
        }
        if let Values::Decimal(values) = &mut self.values {
            values.push(value);
        }
        self.mark_valid();
    }

    /// The last row's integer, microseconds since 1970, or decimal without its point. `None` for
    /// NULL and for other types.
    pub(crate) fn last_number(&self) -> Option<i128> {
        if !self.last_is_valid() {
            return None;
        }
        match &self.values {
            Values::Integer(values) => values.last().map(|value| i128::from(*value)),
            Values::Decimal(values) => values.last().copied(),
            _ => None,
        }
    }

    /// Whether the last row is NULL or an empty text.
    pub(crate) fn last_is_missing(&self) -> bool {
        let nothing = match &self.values {
            Values::Text(_, ends) => {
                let before = ends.len().checked_sub(2).and_then(|at| ends.get(at));
                ends.last() == Some(before.unwrap_or(&0))
            }
            _ => false,
        };
        nothing || !self.last_is_valid()
    }

    /// Turns the column into an array of its file type.
    pub(crate) fn finish(self) -> Result<ArrayRef, ArrowError> {
        let kind = self.kind.file_type();
        if self.all_null {
            return Ok(new_null_array(&kind, self.rows));
        }
        let nulls = self.valid.map(NullBuffer::from).filter(|nulls| nulls.null_count() > 0);
        Ok(match self.values {
            Values::Integer(values) => {
                let values = ScalarBuffer::from(values);
                match self.kind {
                    ColumnType::Timestamp => Arc::new(
                        TimestampMicrosecondArray::try_new(values, nulls)?.with_data_type(kind),
                    ),
                    _ => Arc::new(Int64Array::try_new(values, nulls)?),
                }
            }
            Values::Decimal(values) => {
                let values = ScalarBuffer::from(values);
                Arc::new(Decimal128Array::try_new(values, nulls)?.with_data_type(kind))
            }
            Values::Float(values) => {
                Arc::new(Float64Array::try_new(ScalarBuffer::from(values), nulls)?)
            }
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Text(mut texts, ends) => {
                // The array may stay in memory for long.
                texts.shrink_to_fit();
                let offsets: Vec<_> = std::iter::once(0).chain(ends).collect();
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                Arc::new(StringArray::try_new(offsets, Buffer::from(texts.into_bytes()), nulls)?)
            }
        })
    }
}

impl Values {
    /// Removes all values but the first `rows`, or fills up to `rows` values with placeholders
    /// for NULL.
    fn resize(&mut self, rows: usize) {
        match self {
            Self::Integer(values) => values.resize(rows, 0),
            Self::Decimal(values) => values.resize(rows, 0),
            Self::Float(values) => values.resize(rows, 0.0),
            Self::Boolean(values) => values.resize(rows, false),
            Self::Text(texts, ends) => {
                ends.resize(rows, i32::try_from(texts.len()).unwrap_or(i32::MAX));
                let end = ends.last().copied().unwrap_or_default();
                texts.truncate(usize::try_from(end).unwrap_or_default());
            }
        }
    }
}
