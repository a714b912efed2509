//! `double_sum(x)`: an aggregate function that sums doubles. The sum is the same in whatever order
//! rows are read and partial sums are merged. Like `sum`, it is NULL when all values are NULL.

use std::{collections::HashSet, mem::size_of_val, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray as _, BooleanArray, Float64Builder, ListBuilder},
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{ScalarValue, exec_datafusion_err},
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature,
        Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};

use super::{exact_sum::ExactSum, moving_sum::MovingSum};

/// The aggregate function `double_sum`.
pub(crate) fn double_sum() -> Arc<AggregateUDF> {
    let signature = Signature::exact(vec![DataType::Float64], Volatility::Immutable);
    Arc::new(AggregateUDF::new_from_impl(DoubleSum { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DoubleSum {
    signature: Signature,
}

impl AggregateUDFImpl for DoubleSum {
    fn name(&self) -> &'static str {
        "double_sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Ok(Box::new(Different::default()));
        }
        Ok(Box::new(One::default()))
    }

    fn create_sliding_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Ok(Box::new(Different::default()));
        }
        Ok(Box::new(MovingSum::default()))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let terms = Arc::new(Field::new_list_field(DataType::Float64, true));
        let columns = ["terms", "scaled"].map(|column| {
            let name = format_state_name(args.name, column);
            Arc::new(Field::new(name, DataType::List(Arc::clone(&terms)), true))
        });
        Ok(columns.into())
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        _: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Many::default()))
    }
}

/// The doubles of a column, without its NULLs.
pub(super) fn doubles(columns: &[ArrayRef]) -> impl Iterator<Item = f64> {
    columns.iter().flat_map(|column| column.as_primitive::<Float64Type>().iter().flatten())
}

/// Whether the filter counts the row.
fn counts(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// States as columns. Each group is a row with two lists of terms.
fn states(groups: impl Iterator<Item = [Vec<f64>; 2]>) -> Vec<ArrayRef> {
    let mut columns = [(); 2].map(|()| ListBuilder::new(Float64Builder::new()));
    for terms in groups {
        for (column, terms) in columns.iter_mut().zip(terms) {
            column.append_value(terms.into_iter().map(Some));
        }
    }
    columns.into_iter().map(|mut column| Arc::new(column.finish()) as ArrayRef).collect()
}

/// The state of one group.
fn state_of(terms: [Vec<f64>; 2]) -> Vec<ScalarValue> {
    let columns = states([terms].into_iter()).into_iter();
    columns.map(|column| ScalarValue::List(Arc::new(column.as_list().clone()))).collect()
}

/// Adds the state in `row` to a sum.
fn merge(sum: &mut ExactSum, states: &[ArrayRef], row: usize) {
    let add: [fn(&mut ExactSum, f64); 2] = [ExactSum::add, ExactSum::add_scaled];
    for (column, add) in states.iter().zip(add) {
        let column = column.as_list::<i32>();
        if column.is_valid(row) {
            doubles(&[column.value(row)]).for_each(|term| add(sum, term));
        }
    }
}

/// The sum of all rows.
#[derive(Debug, Default)]
struct One(ExactSum);

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        doubles(values).for_each(|value| self.0.add(value));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, Array::len);
        (0..rows).for_each(|row| merge(&mut self.0, states, row));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(state_of(self.0.terms()))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Float64(self.0.value()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.heap_bytes()
    }
}

/// The sum of distinct numbers: each counts once. The state is the list of numbers.
#[derive(Debug, Default)]
struct Different(HashSet<u64>);

impl Different {
    fn add(&mut self, values: impl Iterator<Item = f64>) {
        // -0.0 and 0.0 are one number.
        self.0.extend(values.map(|value| (value + 0.0).to_bits()));
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|bits| f64::from_bits(*bits))
    }
}

impl Accumulator for Different {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(doubles(values));
        Ok(())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let numbers = states.iter().flat_map(|column| column.as_list::<i32>().iter().flatten());
        numbers.for_each(|numbers| self.add(doubles(&[numbers])));
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(state_of([self.values().collect(), Vec::new()]))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let mut sum = ExactSum::default();
        self.values().for_each(|value| sum.add(value));
        Ok(ScalarValue::Float64(sum.value()))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.capacity() * (size_of::<u64>() + 1)
    }
}

/// The sums of all groups.
#[derive(Debug, Default)]
struct Many {
    sums: Vec<ExactSum>,
    heap_bytes: usize,
}

impl Many {
    fn change(&mut self, group: usize, change: impl FnOnce(&mut ExactSum)) -> Result<()> {
        let sum = self.sums.get_mut(group);
        let sum = sum.ok_or_else(|| exec_datafusion_err!("double_sum has no group {group}"))?;
        let before = sum.heap_bytes();
        change(sum);
        self.heap_bytes += sum.heap_bytes() - before;
        Ok(())
    }

    fn emitted(&mut self, emit_to: EmitTo) -> Vec<ExactSum> {
        let emitted = emit_to.take_needed(&mut self.sums);
        self.heap_bytes -= emitted.iter().map(ExactSum::heap_bytes).sum::<usize>();
        emitted
    }
}

impl GroupsAccumulator for Many {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.sums.resize(total_num_groups, ExactSum::default());
        let Some(values) = values.first() else { return Ok(()) };
        let values = values.as_primitive::<Float64Type>();
        for (row, (value, group)) in values.iter().zip(group_indices).enumerate() {
            if let Some(value) = value.filter(|_| counts(opt_filter, row)) {
                self.change(*group, |sum| sum.add(value))?;
            }
        }
        Ok(())
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.sums.resize(total_num_groups, ExactSum::default());
        let mut groups = group_indices.iter().enumerate();
        groups.try_for_each(|(row, group)| self.change(*group, |sum| merge(sum, values, row)))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut found = Float64Builder::new();
        for sum in self.emitted(emit_to) {
            found.append_option(sum.value());
        }
        Ok(Arc::new(found.finish()))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(states(self.emitted(emit_to).iter().map(ExactSum::terms)))
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = values.iter().flat_map(|column| column.as_primitive::<Float64Type>().iter());
        let terms = rows.enumerate().map(|(row, value)| {
            let value = value.filter(|_| counts(opt_filter, row));
            // A single value is its own sum. A large one is scaled where it is merged.
            [value.into_iter().collect(), Vec::new()]
        });
        Ok(states(terms))
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.sums.capacity() * size_of::<ExactSum>() + self.heap_bytes
    }
}
