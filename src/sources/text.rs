//! Reads the TOML of a source, with the line of everything that is wrong.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::base::{Error, Result};

/// How alike a wrong name must be to a right one to be suggested, from 0 to 1.
const ALIKE_MIN: f64 = 0.85;

/// A value, with where it is in the text.
pub(super) type Node<'t> = Spanned<DeValue<'t>>;

/// A TOML text and its name in messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'t> {
    pub(super) text: &'t str,
    pub(super) file: &'t str,
}

impl<'t> Text<'t> {
    pub(super) fn parse(self) -> Result<DeTable<'t>> {
        let parsed = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, error.message())
        })?;
        Ok(parsed.into_inner())
    }

    /// The line of an offset, from 1.
    pub(super) fn line(self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }

    /// An error at that offset.
    pub(super) fn wrong(self, offset: usize, reason: impl std::fmt::Display) -> Error {
        Error::invalid(format!("{}:{}: {reason}", self.file, self.line(offset)))
    }

    /// # Errors
    /// `Invalid` when the table has a key that is none of these.
    pub(super) fn only(self, table: &DeTable<'t>, keys: &[&str]) -> Result<()> {
        for key in table.keys() {
            if !keys.contains(&key.get_ref().as_ref()) {
                let name = key.get_ref();
                let known = keys.join(", ");
                let reason = match alike(name, keys.iter().copied()) {
                    Some(meant) => format!("unknown key `{name}`; did you mean `{meant}`?"),
                    None => format!("unknown key `{name}`; there are: {known}"),
                };
                return Err(self.wrong(key.span().start, reason));
            }
        }
        Ok(())
    }

    pub(super) fn string(self, node: &Node<'t>) -> Result<String> {
        match node.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            other => Err(self.wrong_type(node, "a text", other)),
        }
    }

    pub(super) fn boolean(self, node: &Node<'t>) -> Result<bool> {
        match node.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(self.wrong_type(node, "true or false", other)),
        }
    }

    /// A text, or a list of texts.
    pub(super) fn strings(self, node: &Node<'t>) -> Result<Vec<String>> {
        items(node).into_iter().map(|item| self.string(item)).collect()
    }

    pub(super) fn table<'n>(self, node: &'n Node<'t>) -> Result<&'n DeTable<'t>> {
        match node.get_ref() {
            DeValue::Table(table) => Ok(table),
            other => Err(self.wrong_type(node, "a table", other)),
        }
    }

    fn wrong_type(self, node: &Node<'t>, wanted: &str, given: &DeValue<'_>) -> Error {
        let hint = match (wanted, given) {
            ("a text", DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) => {
                "; write it in quotes"
            }
            ("a text", DeValue::Array(_)) => "; a list of paths is written { from = […] }",
            _ => "",
        };
        let given = match given.type_str() {
            kind if kind.starts_with(['a', 'i']) => format!("an {kind}"),
            kind => format!("a {kind}"),
        };
        self.wrong(node.span().start, format!("{wanted} is expected, not {given}{hint}"))
    }
}

/// The elements of a list, or the value itself.
pub(super) fn items<'n, 't>(node: &'n Node<'t>) -> Vec<&'n Node<'t>> {
    match node.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![node],
    }
}

/// The name that is most like `name`, if one is like it.
pub(crate) fn alike<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = name.to_lowercase();
    let scored = names
        .filter(|other| *other != name)
        .map(|other| (strsim::jaro_winkler(&lower, &other.to_lowercase()), other));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= ALIKE_MIN).then_some(best.1)
}
