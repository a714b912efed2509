//! The raw table as a time zone sees it: the same instants, with the zone's dates and hours.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use arrow::datatypes::{DataType, TimeUnit};
use async_trait::async_trait;
use datafusion::{
    catalog::{SchemaProvider, TableProvider},
    datasource::{ViewTable, provider_as_source},
    error::Result,
    logical_expr::{LogicalPlanBuilder, cast, ident},
};

use crate::{
    base::Zone,
    model::{DATE_COLUMN, Dataset},
};

/// All tables of another schema, but those that show time as views of it in the zone.
#[derive(Debug)]
pub(crate) struct ZonedSchema {
    others: Arc<dyn SchemaProvider>,
    views: RwLock<HashMap<String, Arc<dyn TableProvider>>>,
}

impl ZonedSchema {
    /// The tables of `others`, with the raw table seen from that zone: the time column has its
    /// type, and `date` is the local date.
    ///
    /// # Errors
    /// DataFusion's, for a raw table that isn't the dataset's.
    pub(crate) fn try_new(
        others: Arc<dyn SchemaProvider>,
        raw: Arc<dyn TableProvider>,
        dataset: &Dataset,
        zone: Zone,
    ) -> Result<Self> {
        let zone = Some(zone.to_string().into());
        let local = || cast(ident(dataset.time_column()), DataType::Timestamp(UNIT, zone.clone()));
        let columns = raw
            .schema()
            .fields()
            .iter()
            .map(|field| match field.name().as_str() {
                name if name == dataset.time_column() => local().alias(name),
                DATE_COLUMN => cast(local(), DataType::Date32).alias(DATE_COLUMN),
                name => ident(name),
            })
            .collect::<Vec<_>>();
        let plan = LogicalPlanBuilder::scan(dataset.table(), provider_as_source(raw), None)?;
        let view = ViewTable::new(plan.project(columns)?.build()?, None);
        let views = HashMap::from([(dataset.table().to_owned(), Arc::new(view) as _)]);
        Ok(Self { others, views: RwLock::new(views) })
    }

    /// Adds a view.
    pub(crate) fn add(&self, name: &str, view: ViewTable) {
        let mut views = self.views.write().unwrap_or_else(PoisonError::into_inner);
        views.insert(name.to_owned(), Arc::new(view));
    }

    fn view(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

const UNIT: TimeUnit = TimeUnit::Microsecond;

#[async_trait]
impl SchemaProvider for ZonedSchema {
    fn table_names(&self) -> Vec<String> {
        self.others.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.view(name) {
            Some(view) => Ok(Some(view)),
            None => self.others.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.view(name).is_some() || self.others.table_exist(name)
    }
}
