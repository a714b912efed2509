//! Reads the text of a source, or of a user's map.

use toml::de::DeTable;

use super::{
    path::Path,
    rule_text::RuleReader,
    source::{ColumnRule, Source},
    text::{Node, Text, items},
};
use crate::base::Result;

const KEYS: [&str; 9] =
    ["name", "about", "version", "as_of", "files", "without_time", "recognize", "rows", "map"];

impl Source {
    /// Reads the text of a source. `file` is the text's name in messages.
    ///
    /// # Errors
    /// `Invalid` when the text is wrong; the message is `file:line: reason`.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self> {
        Self::parse_over(text, file, Self::empty())
    }

    /// Reads a user's map that changes some columns of a source.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_over(text: &str, file: &str, base: Self) -> Result<Self> {
        let text = Text { text, file };
        let table = text.parse()?;
        text.only(&table, &KEYS)?;
        let empty = DeTable::new();
        let rows = table.get("rows").map(|rows| text.table(rows)).transpose()?.unwrap_or(&empty);
        text.only(rows, &["each", "keep", "skip", "expect", "unknown"])?;
        let unknown = rows.get("unknown").map(|words| text.strings(words)).transpose()?;
        let mut rules = RuleReader {
            text,
            unknown: unknown.unwrap_or_default(),
            carried: base.carried.clone(),
        };
        let string = |key: &str, base: &str| {
            table.get(key).map_or(Ok(base.to_owned()), |node| text.string(node))
        };
        let without_time = table.get("without_time").map(|node| text.string(node)).transpose()?;
        let mut source = Self {
            name: string("name", &base.name)?,
            about: string("about", &base.about)?,
            version: table.get("version").map_or(Ok(base.version), |node| version(text, node))?,
            as_of: string("as_of", &base.as_of)?,
            without_time: without_time.or_else(|| base.without_time.clone()),
            ..base
        };
        if let Some(node) = table.get("files") {
            source.files = text.strings(node)?;
        }
        if let Some(node) = table.get("recognize") {
            source.recognize = rules.conditions(node)?;
        }
        if let Some(node) = rows.get("each") {
            source.each.clear();
            for item in items(node) {
                source.each.push(arrays(text, item)?);
            }
        }
        if let Some(node) = rows.get("keep") {
            source.keep = rules.conditions(node)?;
        }
        for (key, list) in [("skip", &mut source.skip), ("expect", &mut source.expect)] {
            let items = rows.get(key).map(|node| items(node)).unwrap_or_default();
            for item in items {
                let table = text.table(item)?;
                let condition = rules.condition(table, item, &["because"])?;
                let because = table.get("because").map(|node| text.string(node)).transpose()?;
                list.push((condition, because.unwrap_or_else(|| format!("meets `{key}`"))));
            }
        }
        let map = table.get("map").ok_or_else(|| text.wrong(0, "there is no table `map`"))?;
        for (column, node) in text.table(map)? {
            let (rule, time) = rules.rule(node)?;
            let (line, column) = (text.line(column.span().start), column.get_ref().to_string());
            source.columns.retain(|other| other.column != column);
            source.columns.push(ColumnRule { column, rule, time, line });
        }
        source.carried = rules.carried;
        Ok(source)
    }
}

fn version<'t>(text: Text<'t>, node: &Node<'t>) -> Result<u32> {
    let number = node.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
    number.ok_or_else(|| text.wrong(node.span().start, "version is a whole number"))
}

/// The paths of arrays in arrays: `a[].b[]`. None for an empty text, which stands for the record.
fn arrays<'t>(text: Text<'t>, node: &Node<'t>) -> Result<Vec<Path>> {
    let path = text.string(node)?;
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |reason: &str| {
        text.wrong(node.span().start, format!("`{path}` is not like `spans[].events[]`{reason}"))
    };
    let names = path.strip_suffix("[]").map(|path| path.split("[]."));
    let names = names.ok_or_else(|| wrong(""))?;
    names.map(|name| Path::parse(name).map_err(|reason| wrong(&format!(": {reason}")))).collect()
}
