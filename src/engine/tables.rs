//! The tables that a question can name: the raw one, the readable rollups, and the user's own; each
//! as the question's time zone sees it.

use std::{path::Path, sync::Arc};

use datafusion::{
    catalog::SchemaProvider, common::TableReference, datasource::ViewTable,
    execution::SessionState, prelude::SessionContext,
};

use super::Tallybook;
use crate::{
    base::{Error, Grain, Result, Zone},
    exec::{ZonedSchema, engine_error, register_file},
    model::{DATE_COLUMN, Dataset, HOUR_COLUMN, QUARTER_HOUR_COLUMN, Rollup},
};

/// A session state whose tables are as that zone sees them. Rollups that are readable as tables are
/// views of the raw table, so that they are as exact and as fresh as it is, and the rewrite answers
/// them from segments.
pub(super) async fn state(book: &Tallybook, zone: Zone) -> Result<SessionState> {
    let context = book.context();
    let mut state = context.state();
    if zone.is_utc() {
        register_views(book.dataset(), context).await?;
        return Ok(state);
    }
    let options = state.config_mut().options_mut();
    let (catalog, home) = (&options.catalog.default_catalog, &options.catalog.default_schema);
    let no_catalog = || Error::internal("the session has no catalog");
    let catalog = context.catalog(catalog).ok_or_else(no_catalog)?;
    let home = catalog.schema(home).ok_or_else(no_catalog)?;
    options.catalog.default_schema = zone.to_string();
    options.execution.time_zone = Some(zone.to_string());
    let raw = book.dataset().table();
    let raw = home.table(raw).await.map_err(engine_error)?.ok_or_else(no_catalog)?;
    let others: Arc<dyn SchemaProvider> = home;
    let schema = ZonedSchema::try_new(others, raw, book.dataset(), zone).map_err(engine_error)?;
    let schema = Arc::new(schema);
    let known: Arc<dyn SchemaProvider> = Arc::<ZonedSchema>::clone(&schema);
    catalog.register_schema(&zone.to_string(), known).map_err(engine_error)?;
    for (name, sql) in views(book.dataset()) {
        schema.add(name, view(&state, sql).await?);
    }
    Ok(state)
}

/// Makes tables of the rollups that are readable as such, where they aren't yet.
pub(super) async fn register_views(dataset: &Dataset, context: &SessionContext) -> Result<()> {
    for (name, sql) in views(dataset) {
        if !context.table_exist(name).map_err(engine_error)? {
            let view = view(&context.state(), sql).await?;
            context.register_table(name, Arc::new(view)).map_err(engine_error)?;
        }
    }
    Ok(())
}

/// Makes a user's file a table.
pub(super) async fn register(book: &Tallybook, name: &str, path: &Path) -> Result<()> {
    let dataset = book.dataset();
    let readable = dataset.rollups().iter().filter_map(Rollup::table);
    if readable.chain([dataset.table()]).any(|taken| taken == name) {
        return Err(Error::invalid(format!(
            "table `{name}` is the dataset's own; name it otherwise"
        )));
    }
    let reference = TableReference::bare(name);
    if name.is_empty() || book.context().table_exist(reference).map_err(engine_error)? {
        return Err(Error::invalid(format!("there is already a table `{name}`")));
    }
    register_file(book.context(), name, path).await
}

fn views(dataset: &Dataset) -> impl Iterator<Item = (&str, String)> {
    let readable = dataset.rollups().iter().filter_map(|rollup| Some((rollup.table()?, rollup)));
    readable.map(|(name, rollup)| (name, view_sql(dataset, rollup)))
}

async fn view(state: &SessionState, sql: String) -> Result<ViewTable> {
    let plan = state.create_logical_plan(&sql).await.map_err(engine_error)?;
    Ok(ViewTable::new(plan, Some(sql)))
}

fn view_sql(dataset: &Dataset, rollup: &Rollup) -> String {
    let time = dataset.time_column();
    let bucket = match rollup.grain() {
        Grain::Day => DATE_COLUMN.to_owned(),
        Grain::Hour => format!("date_trunc('hour', {time}) AS {HOUR_COLUMN}"),
        Grain::QuarterHour => {
            format!("date_bin(INTERVAL '15 minutes', {time}) AS {QUARTER_HOUR_COLUMN}")
        }
    };
    let dimensions = rollup.dimensions().iter().map(|column| column.name.clone());
    let groups: Vec<_> = std::iter::once(bucket).chain(dimensions).collect();
    let measures =
        rollup.measures().iter().map(|measure| format!("{} AS {}", measure.call(), measure.name));
    let keys: Vec<_> = (1..=groups.len()).map(|at| at.to_string()).collect();
    let columns: Vec<_> = groups.into_iter().chain(measures).collect();
    format!("SELECT {} FROM {} GROUP BY {}", columns.join(", "), dataset.table(), keys.join(", "))
}
