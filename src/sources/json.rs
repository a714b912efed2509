//! A JSON value that is parsed only as deep as it is read. Long lines cost little when only a few
//! of their fields are needed. Numbers stay texts, because a float would not be exact.

use std::{cell::OnceCell, fmt, ops::Range, rc::Rc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// A value in a JSON text.
#[derive(Debug)]
pub(crate) struct Json {
    text: Rc<str>,
    /// Where the value is in `text`.
    range: Range<usize>,
    parsed: OnceCell<Parsed>,
}

/// The first level of a value.
#[derive(Debug)]
pub(crate) enum Parsed {
    Null,
    Boolean(bool),
    /// A number, as it is written.
    Number(Rc<str>),
    Text(Text),
    List(Vec<Json>),
    /// The fields in their order.
    Object(Vec<(String, Json)>),
}

/// A text. It may hold JSON itself.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: Rc<str>,
    inside: OnceCell<Option<Box<Json>>>,
}

impl Json {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// The reason why the text is not JSON.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_ascii();
        let value: &RawValue = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let text: Rc<str> = Rc::from(value.get());
        let range = 0..text.len();
        Ok(Self { text, range, parsed: OnceCell::new() })
    }

    /// An object whose fields are texts, such as a record of a CSV file.
    pub(crate) fn of_fields<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let of_text = |text: &str| Self::of_parsed(Parsed::Text(Text::new(Rc::from(text))));
        let fields = fields.map(|(name, value)| (name.to_owned(), of_text(value)));
        Self::of_parsed(Parsed::Object(fields.collect()))
    }

    fn of_parsed(parsed: Parsed) -> Self {
        Self { text: Rc::from(""), range: 0..0, parsed: OnceCell::from(parsed) }
    }

    /// The value's first level.
    pub(crate) fn parsed(&self) -> &Parsed {
        self.parsed.get_or_init(|| self.read())
    }

    /// Like [`parsed`](Self::parsed). For a text that holds a JSON object or list, the first level
    /// of that.
    pub(crate) fn entered(&self) -> &Parsed {
        match self.parsed() {
            Parsed::Text(text) => text.inside().map_or(self.parsed(), Self::parsed),
            parsed => parsed,
        }
    }

    fn read(&self) -> Parsed {
        let json = self.text.get(self.range.clone()).unwrap_or_default();
        match json.as_bytes().first() {
            Some(b't') => Parsed::Boolean(true),
            Some(b'f') => Parsed::Boolean(false),
            Some(b'"') => match serde_json::from_str::<Name>(json) {
                Ok(text) => Parsed::Text(Text::new(Rc::from(text.0))),
                Err(_) => Parsed::Null,
            },
            Some(b'[') => self.list(json),
            Some(b'{') => self.object(json),
            Some(b'-' | b'0'..=b'9') => Parsed::Number(Rc::from(json)),
            _ => Parsed::Null,
        }
    }

    fn list(&self, json: &str) -> Parsed {
        let mut values = Vec::new();
        let reader = Level { each: &mut |_, raw| values.push(self.part(raw)) };
        let read = serde_json::Deserializer::from_str(json).deserialize_seq(reader);
        if read.is_err() { Parsed::Null } else { Parsed::List(values) }
    }

    fn object(&self, json: &str) -> Parsed {
        let mut fields = Vec::new();
        let reader = Level { each: &mut |name, raw| fields.push((name, self.part(raw))) };
        let read = serde_json::Deserializer::from_str(json).deserialize_map(reader);
        if read.is_err() { Parsed::Null } else { Parsed::Object(fields) }
    }

    /// The value of a raw value, which borrows from `text`.
    fn part(&self, raw: &RawValue) -> Self {
        let start = raw.get().as_ptr() as usize - self.text.as_ptr() as usize;
        let range = start..start + raw.get().len();
        Self { text: Rc::clone(&self.text), range, parsed: OnceCell::new() }
    }

    /// The names of an object's fields; none for any other value.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let fields = match self.parsed() {
            Parsed::Object(fields) => fields.as_slice(),
            _ => &[],
        };
        fields.iter().map(|(name, _)| name.as_str())
    }
}

impl Text {
    fn new(text: Rc<str>) -> Self {
        Self { text, inside: OnceCell::new() }
    }

    /// The JSON object or list that the text holds, if it does.
    fn inside(&self) -> Option<&Json> {
        let read = || {
            let starts = self.text.trim_ascii_start().starts_with(['{', '[']);
            if starts { Json::parse(&self.text).ok().map(Box::new) } else { None }
        };
        self.inside.get_or_init(read).as_deref()
    }
}

/// Reads one level of a list or an object. The names of a list's values are empty.
struct Level<F> {
    each: F,
}

impl<'de, F: FnMut(String, &'de RawValue)> Visitor<'de> for Level<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element()? {
            (self.each)(String::new(), value);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name>()? {
            (self.each)(name.0, map.next_value()?);
        }
        Ok(())
    }
}

/// A name of a field. What is no Unicode in it, such as half a surrogate pair, is replaced.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Bytes).map(Self)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
