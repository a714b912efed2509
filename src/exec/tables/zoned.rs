//! The raw table in a time zone: the same instants, with the zone's dates and hours.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    catalog::TableProvider,
    datasource::{ViewTable, provider_as_source},
    error::Result,
    logical_expr::{LogicalPlanBuilder, cast, ident},
};

use crate::{
    base::Zone,
    model::{DATE_COLUMN, Dataset},
};

/// A view of the raw table. Its time column has the zone's type, and its `date` is the local
/// date.
///
/// # Errors
/// DataFusion's, when the raw table isn't the dataset's.
pub(crate) fn zoned_view(
    raw: Arc<dyn TableProvider>,
    dataset: &Dataset,
    zone: Zone,
) -> Result<ViewTable> {
    let kind = DataType::Timestamp(TimeUnit::Microsecond, Some(zone.to_string().into()));
    let local = || cast(ident(dataset.time_column()), kind.clone());
    let schema = raw.schema();
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        name if name == dataset.time_column() => local().alias(name),
        DATE_COLUMN => cast(local(), DataType::Date32).alias(DATE_COLUMN),
        name => ident(name),
    });
    let plan = LogicalPlanBuilder::scan(dataset.table(), provider_as_source(raw), None)?;
    Ok(ViewTable::new(plan.project(columns.collect::<Vec<_>>())?.build()?, None))
}
