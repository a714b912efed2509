//! The tables that a query can name: the raw table, the readable rollups, and the user's own
//! tables. Times are in the query's time zone.

use std::{path::Path, sync::Arc};

use datafusion::{
    catalog::{
        CatalogProvider as _, CatalogProviderList as _, MemoryCatalogProvider,
        MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider, TableProvider,
    },
    common::TableReference,
    datasource::ViewTable,
    execution::{FunctionRegistry as _, SessionState, SessionStateBuilder},
    prelude::SessionContext,
};

use crate::{
    base::{Error, Grain, Result, Zone},
    engine::Tallybook,
    exec::{register_file, zoned_view},
    model::{DATE_COLUMN, Dataset, HOUR_COLUMN, QUARTER_HOUR_COLUMN, Rollup},
};

/// A session state whose tables show times in `zone`. A rollup that is readable as a table is a
/// view of the raw table. So the view is as exact and as fresh as the raw table, and the rewrite
/// answers queries over the view from segments.
///
/// For a zone other than UTC, the state has its own catalog, for this one query. The catalog has
/// the session's tables, with new views in place of the tables that show times.
pub(super) async fn state(db: &Tallybook, zone: Zone) -> Result<SessionState> {
    let (context, dataset) = (db.session(), db.dataset());
    if zone.is_utc() {
        register_views(dataset, context).await?;
        return Ok(context.state());
    }
    let state = context.state();
    let names = state.config_options().catalog.clone();
    let no_catalog = || Error::internal("the session has no catalog");
    let catalog = context.catalog(&names.default_catalog).ok_or_else(no_catalog)?;
    let home = catalog.schema(&names.default_schema).ok_or_else(no_catalog)?;
    let schema = Arc::new(MemorySchemaProvider::new());
    let zoned = Arc::new(MemoryCatalogProvider::new());
    let known: Arc<dyn SchemaProvider> = Arc::<MemorySchemaProvider>::clone(&schema);
    zoned.register_schema(&names.default_schema, known)?;
    let catalogs = Arc::new(MemoryCatalogProviderList::new());
    catalogs.register_catalog(names.default_catalog, zoned);
    let mut state =
        SessionStateBuilder::new_from_existing(state).with_catalog_list(catalogs).build();
    state.config_mut().options_mut().execution.time_zone = Some(zone.to_string());
    // Functions such as `now` and `to_timestamp` know the zone that was set when they were made.
    let functions = state.scalar_functions().values();
    let in_zone = functions.filter_map(|it| it.inner().with_updated_config(state.config_options()));
    for function in in_zone.collect::<Vec<_>>() {
        state.register_udf(Arc::new(function))?;
    }
    let add = |name: &str, table: Arc<dyn TableProvider>| {
        schema.register_table(name.to_owned(), table).map(drop)
    };
    for name in home.table_names() {
        let Some(table) = home.table(&name).await? else { continue };
        let shows_time = dataset.rollups().iter().any(|rollup| rollup.table() == Some(&name));
        if name == dataset.table() {
            let view = zoned_view(table, dataset, zone)?;
            add(&name, Arc::new(view))?;
        } else if !shows_time {
            add(&name, table)?;
        }
    }
    for (name, sql) in views(dataset) {
        add(name, Arc::new(view(&state, sql).await?))?;
    }
    Ok(state)
}

/// Registers the views of readable rollups, unless tables of their names exist.
pub(super) async fn register_views(dataset: &Dataset, context: &SessionContext) -> Result<()> {
    for (name, sql) in views(dataset) {
        if !context.table_exist(name)? {
            let view = view(&context.state(), sql).await?;
            context.register_table(name, Arc::new(view))?;
        }
    }
    Ok(())
}

/// Registers a user's file as a table.
pub(super) async fn register(db: &Tallybook, name: &str, path: &Path) -> Result<()> {
    let dataset = db.dataset();
    let readable = dataset.rollups().iter().filter_map(Rollup::table);
    if readable.chain([dataset.table()]).any(|taken| taken == name) {
        return Err(Error::invalid(format!(
            "table `{name}` is the dataset's own; name it otherwise"
        )));
    }
    let reference = TableReference::bare(name);
    if name.is_empty() || db.session().table_exist(reference)? {
        return Err(Error::invalid(format!("there is already a table `{name}`")));
    }
    register_file(db.session(), name, path).await
}

fn views(dataset: &Dataset) -> impl Iterator<Item = (&str, String)> {
    let readable = dataset.rollups().iter().filter_map(|rollup| Some((rollup.table()?, rollup)));
    readable.map(|(name, rollup)| (name, view_sql(dataset, rollup)))
}

async fn view(state: &SessionState, sql: String) -> Result<ViewTable> {
    let plan = state.create_logical_plan(&sql).await?;
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
    let filter = rollup.filter().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
    let (columns, keys) = (columns.join(", "), keys.join(", "));
    format!("SELECT {columns} FROM {}{filter} GROUP BY {keys}", dataset.table())
}
