//! Paths to values in a record: `usage.input_tokens`, `../scope.name`, `spans[].attributes.x`.

use super::json::{Json, Parsed};

/// The keys of OpenTelemetry's typed values: `{"stringValue": "x"}` stands for `"x"`.
const WRAPPERS: [&str; 5] = ["stringValue", "intValue", "doubleValue", "boolValue", "bytesValue"];

/// A row of a record: the record itself, and from there each element on the way to the row. The
/// last one is the row.
#[derive(Clone, Debug)]
pub(crate) struct Place<'r>(pub(crate) Vec<&'r Json>);

/// A path to values.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    start: Start,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Record,
    /// This many arrays further out than the row.
    Outer(usize),
}

#[derive(Clone, Debug)]
struct Step {
    /// The keys that may be meant, the longest first, each with its number of steps: `a.b.c`,
    /// `a.b` and `a`.
    keys: Vec<(String, usize)>,
    element: Option<Element>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    Each,
    At(usize),
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// The reason why `text` is not a path.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("path `{text}` {why}"));
        let (mut rest, mut start) = (text, Start::Outer(0));
        if let Some(inner) = rest.strip_prefix('/') {
            (rest, start) = (inner, Start::Record);
        }
        while let Some(inner) = rest.strip_prefix("../") {
            let Start::Outer(levels) = start else { return wrong("has `../` behind `/`") };
            (rest, start) = (inner, Start::Outer(levels + 1));
        }
        if rest.split('.').any(str::is_empty) {
            return wrong("has an empty name");
        }
        let mut parts = Vec::new();
        for part in rest.split('.') {
            let (name, element) = match part.split_once('[') {
                None => (part, None),
                Some((name, "]")) => (name, Some(Element::Each)),
                Some((name, at)) => match at.strip_suffix(']').and_then(|at| at.parse().ok()) {
                    Some(at) => (name, Some(Element::At(at))),
                    None => return wrong("has brackets that are neither `[]` nor `[number]`"),
                },
            };
            parts.push((name, element));
        }
        let steps = (0..parts.len()).map(|from| {
            let mut keys = Vec::new();
            let mut key = String::new();
            for (at, (name, element)) in parts.iter().enumerate().skip(from) {
                if at > from {
                    key.push('.');
                }
                key.push_str(name);
                keys.push((key.clone(), at + 1 - from));
                if element.is_some() {
                    break;
                }
            }
            keys.reverse();
            Step { keys, element: parts.get(from).and_then(|(_, element)| *element) }
        });
        Ok(Self { start, steps: steps.collect() })
    }

    /// The path to the record's field of that very name.
    pub(crate) fn of_field(name: String) -> Self {
        Self { start: Start::Outer(0), steps: vec![Step { keys: vec![(name, 1)], element: None }] }
    }

    /// The name of the record's field that the path is, if it goes no deeper.
    pub(crate) fn field(&self) -> Option<&str> {
        let [step] = self.steps.as_slice() else { return None };
        let [(key, _)] = step.keys.as_slice() else { return None };
        let as_it_is = step.element.is_none() && !key.contains('*');
        (as_it_is && matches!(self.start, Start::Outer(0))).then_some(key)
    }

    /// The key that the path looks for first. `None` when the path starts further out.
    pub(crate) fn first_key(&self) -> Option<&str> {
        let step = self.steps.first()?;
        let of_row = matches!(self.start, Start::Outer(0) | Start::Record);
        of_row.then(|| step.keys.last().map(|key| key.0.as_str()))?
    }

    /// The values at the end of the path, in their order. NULLs are left out.
    pub(crate) fn values<'r>(&self, place: &Place<'r>) -> Vec<&'r Json> {
        let Place(levels) = place;
        let from = match self.start {
            Start::Record => levels.first(),
            Start::Outer(outer) => {
                levels.len().checked_sub(outer + 1).and_then(|at| levels.get(at))
            }
        };
        let mut found = Vec::new();
        if let Some(from) = from {
            descend(from, &self.steps, &mut found);
        }
        found
    }
}

/// Adds the values that `steps` lead to.
fn descend<'r>(json: &'r Json, steps: &[Step], found: &mut Vec<&'r Json>) {
    let json = unwrapped(json);
    let Some(step) = steps.first() else {
        if !matches!(json.parsed(), Parsed::Null) {
            found.push(json);
        }
        return;
    };
    let before = found.len();
    for (key, taken) in &step.keys {
        let last = steps.get(taken - 1).and_then(|step| step.element);
        let rest = steps.get(*taken..).unwrap_or_default();
        for value in named(json, key) {
            match last {
                None => descend(value, rest, found),
                Some(element) => descend_elements(value, element, rest, found),
            }
        }
        if found.len() > before {
            return;
        }
    }
}

fn descend_elements<'r>(
    json: &'r Json,
    element: Element,
    rest: &[Step],
    found: &mut Vec<&'r Json>,
) {
    let Parsed::List(values) = unwrapped(json).entered() else { return };
    match element {
        Element::Each => values.iter().for_each(|value| descend(value, rest, found)),
        Element::At(at) => values.get(at).into_iter().for_each(|value| descend(value, rest, found)),
    }
}

/// The values of that key. A `*` in the key stands for any text. An empty key is the value itself.
fn named<'r>(json: &'r Json, key: &str) -> Vec<&'r Json> {
    if key.is_empty() {
        return vec![json];
    }
    let is_named = |name: &str| if key.contains('*') { fits(name, key) } else { name == key };
    match json.entered() {
        Parsed::Object(fields) => {
            let found = fields.iter().filter(|(name, _)| is_named(name)).map(|(_, value)| value);
            // Of a key that an object has twice, the first counts.
            if key.contains('*') { found.collect() } else { found.take(1).collect() }
        }
        // A list of attributes: `[{"key": "a", "value": {"stringValue": "x"}}, …]`.
        Parsed::List(items) => {
            let attribute = |item: &'r Json| {
                let Parsed::Text(name) = field(item, "key")?.parsed() else { return None };
                if is_named(&name.text) { field(item, "value") } else { None }
            };
            items.iter().filter_map(attribute).collect()
        }
        _ => Vec::new(),
    }
}

fn field<'r>(json: &'r Json, key: &str) -> Option<&'r Json> {
    let Parsed::Object(fields) = json.parsed() else { return None };
    fields.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// The value in an object that OpenTelemetry wraps around it.
fn unwrapped(json: &Json) -> &Json {
    let Parsed::Object(fields) = json.parsed() else { return json };
    let [(name, value)] = fields.as_slice() else { return json };
    if WRAPPERS.contains(&name.as_str()) {
        return value;
    }
    let is_list = matches!(name.as_str(), "arrayValue" | "kvlistValue");
    if is_list { field(value, "values").unwrap_or(json) } else { json }
}

/// Whether a name fits a pattern in which `*` stands for any text.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(path: &str, json: &str) -> Vec<String> {
        let record = Json::parse(json).unwrap();
        let found = Path::parse(path).unwrap().values(&Place(vec![&record]));
        let shown = |json: &&Json| match json.parsed() {
            Parsed::Number(number) => number.to_string(),
            Parsed::Text(text) => text.text.to_string(),
            other => format!("{other:?}"),
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn paths_enter_objects_lists_texts_and_attributes() {
        for (path, json, found) in [
            ("a.b", r#"{"a":{"b":1}}"#, vec!["1"]),
            ("a.b", r#"{"a.b":1,"a":{"b":2}}"#, vec!["1"]),
            ("a.b.c", r#"{"a":{"b.c":3}}"#, vec!["3"]),
            ("a.b.c", r#"{"a.b":null,"a":{"b":{"c":4}}}"#, vec!["4"]),
            ("a[].b", r#"{"a":[{"b":1},{"c":2},{"b":3}]}"#, vec!["1", "3"]),
            ("a[1]", r#"{"a":[1,2]}"#, vec!["2"]),
            ("*in*", r#"{"in":1,"out":2,"cached_in_x":3}"#, vec!["1", "3"]),
            ("m.u.x", r#"{"m":"{\"u\": {\"x\": 7}}"}"#, vec!["7"]),
            ("at.gen_ai.x", r#"{"at":[{"key":"gen_ai.x","value":{"intValue":"5"}}]}"#, vec!["5"]),
            ("body", r#"{"body":{"stringValue":"s"}}"#, vec!["s"]),
            ("a.b", r#"{"a":{"b":null}}"#, vec![]),
            ("a.b", r#"{"a":"text"}"#, vec![]),
        ] {
            assert_eq!(values(path, json), found, "{path} in {json}");
        }
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (name, pattern, fit) in [
            ("input", "*input*", true),
            ("input", "in*", true),
            ("input", "*in", false),
            ("aba", "a*a", true),
            ("a", "a*a", false),
            ("abc", "a*b*c", true),
        ] {
            assert_eq!(fits(name, pattern), fit, "{name} {pattern}");
        }
    }

    #[test]
    fn wrong_paths_are_refused() {
        for text in ["", "/", "../", "a[x]", "/../a"] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
