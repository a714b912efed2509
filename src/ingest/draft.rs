//! One row under way: typed and checked before any of it joins the others.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, RecordBatch,
        StringBuilder, TimestampMicrosecondBuilder,
    },
    datatypes::SchemaRef,
};

use super::{
    field_map::FieldMap,
    scalar::{self, Scalar},
};
use crate::{
    base::{Day, Error, Result},
    model::{Column, ColumnType, Dataset, OddRule, Operand, Relation},
};

/// Why a row is bad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The field, by the name of its column; empty when it is the whole row.
    pub(super) field: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn row(reason: impl Into<String>) -> Self {
        Self { field: String::new(), reason: reason.into() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Unset,
    Null,
    Integer(i64),
    Decimal(i128),
    Micros(i64),
    Float(f64),
    Boolean(bool),
    /// A stretch of the draft's text.
    Text(usize, usize),
}

/// Columns under way, and the row that may join them.
#[derive(Debug)]
pub(super) struct Draft<'d> {
    dataset: &'d Dataset,
    map: &'d FieldMap,
    time: usize,
    /// Rows must be of these days.
    days: std::ops::RangeInclusive<Day>,
    values: Vec<Value>,
    text: String,
    zoneless: bool,
    columns: Vec<Builder>,
    row_days: Vec<Day>,
    schema: SchemaRef,
    /// Rows kept that each odd rule marks, and at the end those without a zone.
    odd: Vec<u64>,
}

#[derive(Debug)]
enum Builder {
    Integer(Int64Builder),
    Decimal(Decimal128Builder),
    Micros(TimestampMicrosecondBuilder),
    Float(Float64Builder),
    Boolean(BooleanBuilder),
    Text(StringBuilder),
}

impl<'d> Draft<'d> {
    /// A draft of rows not before 2000 and not more than a day ahead of `today`.
    pub(super) fn new(dataset: &'d Dataset, map: &'d FieldMap, today: Day) -> Self {
        // 2000-01-01.
        let first = Day::from_epoch_days(10_957);
        Self {
            dataset,
            map,
            time: dataset.column_index(dataset.time_column()).unwrap_or_default(),
            days: first..=today.plus(1),
            values: vec![Value::Unset; dataset.columns().len()],
            text: String::new(),
            zoneless: false,
            columns: dataset.columns().iter().map(|column| Builder::of(column.kind)).collect(),
            row_days: Vec::new(),
            schema: dataset.file_schema(),
            odd: vec![0; dataset.odd_rules().len() + 1],
        }
    }

    pub(super) fn map(&self) -> &'d FieldMap {
        self.map
    }

    pub(super) fn rows(&self) -> usize {
        self.row_days.len()
    }

    /// Starts a row anew.
    pub(super) fn clear(&mut self) {
        self.values.fill(Value::Unset);
        self.text.clear();
        self.zoneless = false;
    }

    /// A fault of that column.
    pub(super) fn fault(&self, at: usize, reason: &str) -> Fault {
        let column = self.dataset.columns().get(at);
        column.map_or_else(|| Fault::row(reason), |column| fault(column, reason))
    }

    /// Gives a column its value.
    pub(super) fn set(&mut self, at: usize, scalar: &Scalar<'_>) -> Result<(), Fault> {
        let (Some(column), Some(slot)) = (self.dataset.columns().get(at), self.values.get(at))
        else {
            return Ok(());
        };
        if *slot != Value::Unset {
            return Err(fault(column, "given twice"));
        }
        let value = self.typed(at, column, scalar).map_err(|reason| fault(column, reason))?;
        if let Some(slot) = self.values.get_mut(at) {
            *slot = value;
        }
        Ok(())
    }

    fn typed(&mut self, at: usize, column: &Column, scalar: &Scalar<'_>) -> Result<Value, String> {
        if let Scalar::Null = scalar {
            return Ok(Value::Null);
        }
        Ok(match column.kind {
            ColumnType::Integer => Value::Integer(scalar::integer(scalar)?),
            ColumnType::Decimal(precision, scale) => {
                Value::Decimal(scalar::decimal(scalar, precision, scale)?)
            }
            ColumnType::Float => Value::Float(scalar::float(scalar)?),
            ColumnType::Boolean => Value::Boolean(scalar::boolean(scalar)?),
            ColumnType::Timestamp => {
                let (micros, zoneless) = scalar::instant(scalar, self.map.time_form(at))?;
                self.zoneless |= zoneless;
                Value::Micros(micros)
            }
            ColumnType::Text => {
                let start = self.text.len();
                match scalar {
                    Scalar::Text(text) => self.text.push_str(text),
                    Scalar::Number(text) => self.text.push_str(text),
                    Scalar::Boolean(value) => self.text.push_str(&value.to_string()),
                    Scalar::Null | Scalar::Micros(_) => return Err("is not text".to_owned()),
                }
                Value::Text(start, self.text.len())
            }
        })
    }

    /// Adds the row to the others, or says why it is bad; then nothing was added.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        for (at, value) in self.map.constants() {
            self.set(*at, &Scalar::Text(value.as_str().into()))?;
        }
        self.fill_ratios();
        let day = self.check()?;
        for (builder, value) in self.columns.iter_mut().zip(&self.values) {
            builder.push(*value, &self.text);
        }
        self.row_days.push(day);
        for (rule, count) in self.dataset.odd_rules().iter().zip(&mut self.odd) {
            *count += u64::from(is_odd(self.dataset, &self.values, rule));
        }
        if let Some(zoneless) = self.odd.last_mut() {
            *zoneless += u64::from(self.zoneless);
        }
        Ok(())
    }

    /// A quotient too large for its column is left NULL: the row itself is not at fault.
    fn fill_ratios(&mut self) {
        for (at, column) in self.dataset.columns().iter().enumerate() {
            let Some((part, whole)) = &column.ratio else { continue };
            let ColumnType::Decimal(precision, scale) = column.kind else { continue };
            if !matches!(self.values.get(at), Some(Value::Unset | Value::Null)) {
                continue;
            }
            let integer = |name: &str| match self.values.get(self.dataset.column_index(name)?) {
                Some(Value::Integer(value)) => Some(*value),
                _ => None,
            };
            if let (Some(part), Some(whole)) = (integer(part), integer(whole)) {
                let ratio = scalar::ratio(part, whole, precision, scale);
                if let (Some(slot), Some(ratio)) = (self.values.get_mut(at), ratio) {
                    *slot = Value::Decimal(ratio);
                }
            }
        }
    }

    fn check(&self) -> Result<Day, Fault> {
        for (column, value) in self.dataset.columns().iter().zip(&self.values) {
            let missing = match value {
                Value::Unset | Value::Null => true,
                Value::Text(start, end) => start == end,
                _ => false,
            };
            if column.required && missing {
                return Err(fault(column, "missing"));
            }
        }
        let Some(Value::Micros(micros)) = self.values.get(self.time) else {
            return Err(Fault::row("has no time"));
        };
        let day = Day::of_micros(*micros);
        if !self.days.contains(&day) {
            let reason = format!(
                "{day} is outside {} to {}, a day ahead of now",
                self.days.start(),
                self.days.end()
            );
            return Err(Fault { field: self.dataset.time_column().to_owned(), reason });
        }
        Ok(day)
    }

    /// The rows so far and their days, leaving none.
    pub(super) fn take(&mut self) -> Result<(RecordBatch, Vec<Day>)> {
        let arrays = self.columns.iter_mut().zip(self.dataset.columns());
        let arrays = arrays.map(|(builder, column)| builder.finish(column.kind)).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|error| Error::internal("row batch").with_source(error))?;
        Ok((batch, std::mem::take(&mut self.row_days)))
    }

    /// What was odd about rows that were kept, and how many rows.
    pub(super) fn warnings(&self) -> Vec<(String, u64)> {
        let rules = self.dataset.odd_rules().iter().map(ToString::to_string);
        let words = rules.chain(["time without a zone, taken as UTC".to_owned()]);
        words.zip(self.odd.iter().copied()).filter(|(_, count)| *count > 0).collect()
    }
}

impl Builder {
    fn of(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Timestamp => Self::Micros(TimestampMicrosecondBuilder::new()),
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Integer => Self::Integer(Int64Builder::new()),
            ColumnType::Decimal(..) => Self::Decimal(Decimal128Builder::new()),
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
        }
    }

    fn push(&mut self, value: Value, text: &str) {
        match (self, value) {
            (Self::Integer(builder), Value::Integer(value)) => builder.append_value(value),
            (Self::Decimal(builder), Value::Decimal(value)) => builder.append_value(value),
            (Self::Micros(builder), Value::Micros(value)) => builder.append_value(value),
            (Self::Float(builder), Value::Float(value)) => builder.append_value(value),
            (Self::Boolean(builder), Value::Boolean(value)) => builder.append_value(value),
            (Self::Text(builder), Value::Text(start, end)) => {
                builder.append_option(text.get(start..end));
            }
            (Self::Integer(builder), _) => builder.append_null(),
            (Self::Decimal(builder), _) => builder.append_null(),
            (Self::Micros(builder), _) => builder.append_null(),
            (Self::Float(builder), _) => builder.append_null(),
            (Self::Boolean(builder), _) => builder.append_null(),
            (Self::Text(builder), _) => builder.append_null(),
        }
    }

    fn finish(&mut self, kind: ColumnType) -> ArrayRef {
        match self {
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder) => Arc::new(builder.finish().with_data_type(kind.file_type())),
            Self::Micros(builder) => Arc::new(builder.finish().with_data_type(kind.file_type())),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Text(builder) => Arc::new(builder.finish()),
        }
    }
}

fn fault(column: &Column, reason: impl Into<String>) -> Fault {
    Fault { field: column.name.clone(), reason: reason.into() }
}

fn is_odd(dataset: &Dataset, values: &[Value], rule: &OddRule) -> bool {
    let value = |name: &str| {
        let at = dataset.column_index(name)?;
        let scale = match dataset.columns().get(at)?.kind {
            ColumnType::Decimal(_, scale) => u32::try_from(scale).ok()?,
            _ => 0,
        };
        match values.get(at)? {
            Value::Integer(value) => Some((i128::from(*value), scale)),
            Value::Decimal(value) => Some((*value, scale)),
            _ => None,
        }
    };
    let right = match &rule.right {
        Operand::Column(name) => value(name),
        Operand::Number(number) => Some((i128::from(*number), 0)),
    };
    let (Some((left, left_scale)), Some((right, right_scale))) = (value(&rule.left), right) else {
        return false;
    };
    // A comparison too large to align is not worth a warning.
    let align = |value: i128, scale: u32| {
        value.checked_mul(10_i128.checked_pow(left_scale.max(right_scale) - scale)?)
    };
    match (align(left, left_scale), align(right, right_scale)) {
        (Some(left), Some(right)) => match rule.relation {
            Relation::Less => left < right,
            Relation::Greater => left > right,
        },
        _ => false,
    }
}
