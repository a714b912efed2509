//! Finds out how the records of each input become rows.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use crate::{
    base::{Error, Result},
    ingest::{
        AppendOptions, Format, Input,
        readers::sample::SAMPLE_BYTES,
        rows::row_map::{self, GivenValues, RowMap},
    },
    model::{ColumnType, Dataset},
    sources::{Json, Source, shipped, shipped_source},
};

/// How the records of one input become rows.
pub(crate) struct InputMap {
    pub(crate) input: Input,
    pub(crate) map: Arc<RowMap>,
    /// The name of the source that the input is read as.
    pub(crate) source: Option<String>,
}

/// The inputs to read, and the names of those that are left out.
#[derive(Default)]
pub(crate) struct InputMaps {
    pub(crate) read: Vec<InputMap>,
    /// Files of a folder in which no source recognizes anything, beside others that are logs.
    pub(crate) left_out: Vec<String>,
}

/// Finds the map of each input. What the caller says wins. Otherwise an input is read by the names
/// of its fields if these fill all required columns and a number, and else by the one source that
/// recognizes its records.
///
/// # Errors
/// `NotFound` when there is no source of that name; `Invalid` when a map or a given value is
/// wrong, or when several sources recognize records of an input; `Unavailable` when an input can't
/// be read.
pub(crate) fn row_maps(
    inputs: Vec<Input>,
    options: &AppendOptions,
    dataset: &Dataset,
) -> Result<InputMaps> {
    let given = GivenValues { fixed: options.fixed.clone(), time: options.time.clone() };
    if let Some(map) = said(options, dataset, &given)? {
        let (map, source) = (Arc::new(map), &options.from);
        let of_input = |input| InputMap { input, map: Arc::clone(&map), source: source.clone() };
        let read = inputs.into_iter().map(of_input).collect();
        return Ok(InputMaps { read, left_out: Vec::new() });
    }
    let names = Arc::new(RowMap::by_names(dataset, &given)?);
    let plain = RowMap::by_names(dataset, &GivenValues::default())?;
    let sources = shipped()?;
    let mut found = Vec::new();
    for mut input in inputs {
        let shown = recognize(&mut input, options.format, (&plain, dataset), &sources)?;
        found.push((input, shown));
    }
    let any_log = found.iter().any(|(_, shown)| matches!(shown, Shown::Source(_)));
    let (mut maps, mut of_sources) = (InputMaps::default(), BTreeMap::new());
    for (input, shown) in found {
        let (map, source) = match shown {
            Shown::Source(at) => {
                let source = sources.get(at).ok_or_else(|| Error::internal("no such source"))?;
                let map = match of_sources.entry(at) {
                    Entry::Occupied(known) => Arc::clone(known.get()),
                    Entry::Vacant(new) => {
                        let map = RowMap::of_source(source.clone(), dataset, &given)?;
                        Arc::clone(new.insert(Arc::new(map)))
                    }
                };
                (map, Some(source.name.clone()))
            }
            Shown::Nothing if any_log && input.is_of_a_folder() => {
                maps.left_out.push(input.name().to_owned());
                continue;
            }
            Shown::Names | Shown::Nothing | Shown::Unsure => (Arc::clone(&names), None),
        };
        maps.read.push(InputMap { input, map, source });
    }
    Ok(maps)
}

/// The map that the caller names.
fn said(options: &AppendOptions, dataset: &Dataset, given: &GivenValues) -> Result<Option<RowMap>> {
    Ok(match (&options.from, &options.map) {
        (None, None) => None,
        (Some(name), None) => Some(RowMap::of_source(shipped_source(name)?, dataset, given)?),
        (None, Some((text, file))) => {
            Some(RowMap::of_map(Source::parse(text, file)?, file, dataset, given)?)
        }
        (Some(name), Some((text, file))) => {
            for column in Source::parse(text, file)?.columns {
                row_map::index_of(dataset, &column, file)?;
            }
            let source = Source::parse_over(text, file, shipped_source(name)?)?;
            Some(RowMap::of_source(source, dataset, given)?)
        }
    })
}

/// What the first records of an input show.
enum Shown {
    /// Their fields have the names of columns.
    Names,
    /// They are of the source at that place in the list.
    Source(usize),
    /// No record of the input is of a source.
    Nothing,
    /// No record that was looked at is of a source, and there may be more.
    Unsure,
}

fn recognize(
    input: &mut Input,
    format: Option<Format>,
    (plain, dataset): (&RowMap, &Dataset),
    sources: &[Source],
) -> Result<Shown> {
    let mut shown = Shown::Unsure;
    for bytes in SAMPLE_BYTES {
        let sample = input.sample(format, bytes)?;
        if sample.records.iter().any(|record| is_row(record, plain, dataset)) {
            return Ok(Shown::Names);
        }
        let recognizes = |(_, source): &(usize, &Source)| {
            sample.records.iter().any(|record| source.recognizes(record))
        };
        let recognized: Vec<_> = sources.iter().enumerate().filter(recognizes).collect();
        match recognized.as_slice() {
            [] if sample.is_whole => return Ok(Shown::Nothing),
            [] => shown = Shown::Unsure,
            [(at, _)] => return Ok(Shown::Source(*at)),
            several => {
                let names: Vec<_> =
                    several.iter().map(|(_, source)| source.name.as_str()).collect();
                return Err(Error::invalid(format!(
                    "{}: has records of {}; append them apart, or name the one to read with --from",
                    input.name(),
                    names.join(" and of ")
                )));
            }
        }
    }
    Ok(shown)
}

/// Whether the fields of a record fill all required columns, and a number, by their names.
fn is_row(record: &Json, plain: &RowMap, dataset: &Dataset) -> bool {
    let fields: Vec<_> = record.names().collect();
    let is_filled =
        |at: &usize| fields.iter().any(|field| plain.fields.targets_of_header(field).contains(at));
    let columns = || dataset.columns().iter().enumerate();
    let required = columns().filter(|(_, column)| column.required);
    let numbers = columns().filter(|(_, column)| {
        matches!(column.kind, ColumnType::Integer | ColumnType::Decimal(..) | ColumnType::Float)
    });
    let mut numbers = numbers.map(|(at, _)| at).peekable();
    let needs_none = numbers.peek().is_none();
    required.map(|(at, _)| at).all(|at| is_filled(&at))
        && (needs_none || numbers.any(|at| is_filled(&at)))
}
