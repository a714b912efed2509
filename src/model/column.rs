//! Columns of the raw log, and their types.

use std::{fmt, str::FromStr};

use arrow::datatypes::{DataType, TimeUnit};

use crate::base::{Error, Result};

/// The type of a column, as definitions write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// An instant: microseconds since the epoch, UTC.
    Timestamp,
    /// UTF-8 text.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// A decimal: the number of all digits, and the number of digits after the point.
    Decimal(u8, i8),
    /// A double. Doubles can't be summed exactly, so no rollup sums them.
    Float,
    /// True or false.
    Boolean,
    /// Names with texts: a JSON object with its names in order, such as `{"env":"prod","team":"a"}`.
    /// In SQL, `tags['team']` is the text of one of them.
    Tags,
}

impl ColumnType {
    /// The Arrow type in files, and in arrays that will be written to files.
    #[must_use]
    pub fn file_type(self) -> DataType {
        match self {
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Text | Self::Tags => DataType::Utf8,
            Self::Integer => DataType::Int64,
            Self::Decimal(precision, scale) => DataType::Decimal128(precision, scale),
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
        }
    }

    /// The Arrow type in queries. Text is a view there: views group and compare faster.
    #[must_use]
    pub fn query_type(self) -> DataType {
        match self {
            Self::Text | Self::Tags => DataType::Utf8View,
            other => other.file_type(),
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timestamp => f.write_str("timestamp"),
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Self::Float => f.write_str("float"),
            Self::Boolean => f.write_str("boolean"),
            Self::Tags => f.write_str("tags"),
        }
    }
}

impl FromStr for ColumnType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "timestamp" => return Ok(Self::Timestamp),
            "text" => return Ok(Self::Text),
            "integer" => return Ok(Self::Integer),
            "float" => return Ok(Self::Float),
            "boolean" => return Ok(Self::Boolean),
            "tags" => return Ok(Self::Tags),
            _ => {}
        }
        let decimal = || {
            let digits = text.strip_prefix("decimal(")?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',')?;
            let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            (1..=38).contains(&precision).then_some(())?;
            (0..=i8::try_from(precision).ok()?).contains(&scale).then_some(())?;
            Some(Self::Decimal(precision, scale))
        };
        decimal().ok_or_else(|| {
            Error::invalid(format!(
                "type `{text}` is not timestamp, text, integer, decimal(precision,scale) with at \
                 most 38 digits, float, boolean or tags"
            ))
        })
    }
}

/// The column and the name in `tags['team']`.
pub(crate) fn as_tag(text: &str) -> Option<(&str, &str)> {
    let (column, rest) = text.split_once("['")?;
    let name = rest.strip_suffix("']")?;
    (is_word(column) && !name.is_empty() && !name.contains(['\'', '"'])).then_some((column, name))
}

/// A column of the raw log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The column's name in files and queries.
    pub name: String,
    /// The column's type.
    pub kind: ColumnType,
    /// Whether a row without a value for this column is rejected.
    pub required: bool,
    /// Names that input may use, besides `name` and its camelCase form.
    pub aliases: Vec<String>,
    /// Two integer columns whose quotient replaces a missing value. If the second is 0, so is the
    /// quotient.
    pub ratio: Option<(String, String)>,
}

impl Column {
    /// Every name that input may use for this column.
    pub fn input_names(&self) -> impl Iterator<Item = String> + '_ {
        let camel = camel_case(&self.name);
        let camel = (camel != self.name).then_some(camel);
        std::iter::once(self.name.clone()).chain(camel).chain(self.aliases.iter().cloned())
    }
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// Whether the text can only be a column's name: it has only ASCII letters, digits and `_`.
pub(crate) fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_they_parse() {
        for text in ["timestamp", "text", "integer", "decimal(18,12)", "float", "boolean", "tags"] {
            assert_eq!(text.parse::<ColumnType>().unwrap().to_string(), text);
        }
        for text in ["", "int", "decimal", "decimal(39,2)", "decimal(4,5)", "decimal(4,-1)"] {
            assert!(text.parse::<ColumnType>().is_err(), "{text}");
        }
    }

    #[test]
    fn camel_case_of_snake_case() {
        assert_eq!(camel_case("organization_id"), "organizationId");
        assert_eq!(camel_case("cost"), "cost");
    }
}
