//! Checks the header of an input: whether it has the fields that a map names and that a row needs.

use crate::{
    base::{Error, Result},
    ingest::rows::row_map::RowMap,
    model::Dataset,
    sources::alike,
};

/// How many field names a message lists.
const LISTED_MAX: usize = 12;

/// Checks a header. `name` is the input's name in messages.
///
/// # Errors
/// `Invalid` when a field that the user's map names is missing, or when no field can fill a
/// required column.
pub(crate) fn check(name: &str, header: &[String], map: &RowMap, dataset: &Dataset) -> Result<()> {
    // The fields of rows in a record are in no header.
    if map.source.as_ref().is_some_and(|source| source.source.finds_rows()) {
        return Ok(());
    }
    for (column, line) in &map.mapped {
        let wanted = wanted(map, *column);
        if wanted.is_empty() || wanted.iter().any(|field| is_there(header, field)) {
            continue;
        }
        let (field, file) = (wanted.join("` or `"), &map.map_file);
        let names = header.iter().map(String::as_str);
        let meant = wanted.first().and_then(|field| alike(field, names));
        let hint = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        return Err(Error::invalid(format!("{file}:{line}: {name} has no field `{field}`{hint}")));
    }
    for (at, column) in dataset.columns().iter().enumerate() {
        if column.required && !can_fill(map, at, header) {
            let fields = listed(header.iter().map(String::as_str));
            return Err(Error::invalid(format!(
                "{name}: there is no field for `{}`; name it with --map, or name the source with \
                 --from; the fields are {fields}",
                column.name
            )));
        }
    }
    Ok(())
}

/// Some of these names, for a message.
pub(crate) fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.collect();
    let shown = names.iter().take(LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// The fields of a header that nothing reads.
pub(crate) fn ignored(header: &[String], map: &RowMap) -> Vec<String> {
    let is_ignored = |name: &&String| match &map.source {
        None => map.fields.targets_of_header(name).is_empty(),
        Some(source) => source.known_keys.as_ref().is_some_and(|keys| !is_known(keys, name)),
    };
    header.iter().filter(is_ignored).cloned().collect()
}

/// Whether a source may read the field. `keys` are the keys that its paths look for first.
pub(crate) fn is_known(keys: &[String], field: &str) -> bool {
    keys.iter().any(|key| {
        let rest = field.strip_prefix(key.as_str());
        key.contains('*') || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The fields that a column's value may come from.
fn wanted(map: &RowMap, column: usize) -> Vec<String> {
    match &map.source {
        None => {
            let fields = map.fields.names();
            let fields = fields.filter(|name| map.fields.targets(name).contains(&column));
            fields.map(str::to_owned).collect()
        }
        Some(source) => {
            let rule = source.columns.iter().find(|(at, _)| *at == column);
            rule.map(|(_, column)| column.rule.first_keys()).unwrap_or_default()
        }
    }
}

fn can_fill(map: &RowMap, column: usize, header: &[String]) -> bool {
    if map.fields.constants().iter().any(|(constant, _)| *constant == column) {
        return true;
    }
    let rule = map.source.as_ref().and_then(|source| {
        let found = source.columns.iter().find(|(at, _)| *at == column);
        found.map(|(_, column)| &column.rule)
    });
    let has_own_value = rule.is_some_and(|rule| rule.has_default() || rule.first_keys().is_empty());
    has_own_value || wanted(map, column).iter().any(|field| is_there(header, field))
}

fn is_there(header: &[String], key: &str) -> bool {
    header.iter().any(|name| {
        let is_it = name.eq_ignore_ascii_case(key);
        is_it || is_known(std::slice::from_ref(&key.to_owned()), name)
    })
}
