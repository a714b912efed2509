//! An aggregate function that gets its rows in one order, whatever order they were read in.

use std::{mem::size_of_val, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, new_empty_array},
    compute::{SortColumn, concat, lexsort_to_indices, take_arrays},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{ScalarValue, utils::SingleRowListArrayBuilder},
    error::Result,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature,
        function::{AccumulatorArgs, StateFieldsArgs},
        utils::format_state_name,
    },
};

/// The function `inner`, over its rows sorted by all of its arguments. It holds the rows of a
/// group in memory, so it is meant for few rows, such as aggregated ones.
pub(crate) fn in_order(inner: &Arc<AggregateUDF>) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(InOrder { inner: Arc::clone(inner) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InOrder {
    inner: Arc<AggregateUDF>,
}

impl AggregateUDFImpl for InOrder {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        self.inner.return_type(given)
    }

    fn return_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        self.inner.return_field(given)
    }

    fn is_nullable(&self) -> bool {
        self.inner.is_nullable()
    }

    fn default_value(&self, kind: &DataType) -> Result<ScalarValue> {
        self.inner.default_value(kind)
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(given)
    }

    fn supports_within_group_clause(&self) -> bool {
        self.inner.supports_within_group_clause()
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let kinds = args.expr_fields.iter().map(|field| new_empty_array(field.data_type()));
        let read = kinds.map(|none| vec![none]).collect();
        Ok(Box::new(Rows { read, bytes: 0, inner: self.inner.accumulator(args)? }))
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let columns = args.input_fields.iter().enumerate().map(|(at, field)| {
            let values = Field::new_list_field(field.data_type().clone(), true);
            let name = format_state_name(args.name, &format!("rows_{at}"));
            Arc::new(Field::new(name, DataType::List(Arc::new(values)), true))
        });
        Ok(columns.collect())
    }
}

/// The rows of a group, so far.
#[derive(Debug)]
struct Rows {
    /// For each argument, the batches of its values.
    read: Vec<Vec<ArrayRef>>,
    bytes: usize,
    inner: Box<dyn Accumulator>,
}

impl Rows {
    fn columns(&self) -> Result<Vec<ArrayRef>> {
        let columns = self.read.iter().map(|batches| {
            let batches: Vec<_> = batches.iter().map(AsRef::as_ref).collect();
            Ok(concat(&batches)?)
        });
        columns.collect()
    }

    fn add(&mut self, column: usize, batch: ArrayRef) -> Result<()> {
        if let Some(read) = self.read.get_mut(column) {
            self.bytes += batch.to_data().get_slice_memory_size()?;
            read.push(batch);
        }
        Ok(())
    }
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let mut batches = values.iter().enumerate();
        batches.try_for_each(|(column, batch)| self.add(column, Arc::clone(batch)))
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (column, state) in states.iter().enumerate() {
            let mut batches = state.as_list::<i32>().iter().flatten();
            batches.try_for_each(|batch| self.add(column, batch))?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let columns = self.columns()?.into_iter();
        let lists = columns.map(|rows| SingleRowListArrayBuilder::new(rows).build_list_scalar());
        Ok(lists.collect())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let columns = self.columns()?;
        let keys = columns.iter();
        let keys = keys.map(|values| SortColumn { values: Arc::clone(values), options: None });
        let order = lexsort_to_indices(&keys.collect::<Vec<_>>(), None)?;
        self.inner.update_batch(&take_arrays(&columns, &order, None)?)?;
        self.inner.evaluate()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.bytes + self.inner.size()
    }
}
