//! Tags: texts by name, however a log writes them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::Scalar;

/// Tags as a JSON object with its names in order, and each value as a text; `None` when there are
/// none. A list of texts such as `team:a` is tags, too, and a text without a colon has the value
/// `true`. Names without a value are left out. Of a name that comes twice, the last value counts.
pub(crate) fn tags(scalar: &Scalar<'_>) -> Result<Option<String>, String> {
    const WRONG: &str = "is not a JSON object or list of tags";
    let Scalar::Text(text) = scalar else { return Err(WRONG.to_owned()) };
    let text = text.trim();
    let mut tags = BTreeMap::new();
    let wrong = |_| WRONG.to_owned();
    match text.as_bytes().first() {
        None => return Ok(None),
        Some(b'{') => add_named(text, &mut tags).map_err(wrong)?,
        Some(b'[') => {
            for item in serde_json::from_str::<Vec<&RawValue>>(text).map_err(wrong)? {
                match item.get().as_bytes().first() {
                    Some(b'{') => add_named(item.get(), &mut tags).map_err(wrong)?,
                    _ => add_single(&value_of(item).map_err(wrong)?, &mut tags),
                }
            }
        }
        Some(_) => add_single(text, &mut tags),
    }
    tags.retain(|name, _| !name.is_empty());
    if tags.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(&tags).map(Some).map_err(|error| error.to_string())
}

/// Adds the names of a JSON object with their values.
fn add_named(json: &str, tags: &mut BTreeMap<String, String>) -> serde_json::Result<()> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    for (name, value) in fields.into_iter().filter(|(_, value)| value.get() != "null") {
        tags.insert(name, value_of(value)?);
    }
    Ok(())
}

/// A text without its quotes; any other value as it is written.
fn value_of(json: &RawValue) -> serde_json::Result<String> {
    if json.get().starts_with('"') {
        serde_json::from_str(json.get())
    } else {
        Ok(json.get().to_owned())
    }
}

/// Adds a tag such as `team:a` or `beta`.
fn add_single(tag: &str, tags: &mut BTreeMap<String, String>) {
    let (name, value) =
        tag.split_once(':').filter(|(name, _)| !name.is_empty()).unwrap_or((tag, "true"));
    if tag != "null" {
        tags.insert(name.to_owned(), value.trim_start().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_sorted_object_of_texts() {
        for (text, expected) in [
            (r#"{"team":"a","env":"x"}"#, Some(r#"{"env":"x","team":"a"}"#)),
            (
                r#"{"b":1.50,"a":[1, 2],"c":null,"d":true}"#,
                Some(r#"{"a":"[1, 2]","b":"1.50","d":"true"}"#),
            ),
            (
                r#"["team:red","beta","url: http://x"]"#,
                Some(r#"{"beta":"true","team":"red","url":"http://x"}"#),
            ),
            (r#"[{"a":"1"},{"b":"2"}]"#, Some(r#"{"a":"1","b":"2"}"#)),
            (r#"{"a":"x","a":"y"}"#, Some(r#"{"a":"y"}"#)),
            (r#"[":odd"]"#, Some(r#"{":odd":"true"}"#)),
            ("beta", Some(r#"{"beta":"true"}"#)),
            ("", None),
            (" ", None),
            ("{}", None),
            ("[]", None),
            ("[null]", None),
            (r#"{"":"x"}"#, None),
        ] {
            assert_eq!(tags(&Scalar::Text(text)).unwrap().as_deref(), expected, "{text}");
        }
        for wrong in ["{", "[1", r#"{"a"}"#] {
            assert!(tags(&Scalar::Text(wrong)).is_err(), "{wrong}");
        }
    }
}
