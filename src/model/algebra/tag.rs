//! The value of one name in a JSON object: what `tags['team']` means.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, StringViewBuilder},
    compute::cast,
    datatypes::DataType,
};
use datafusion::{
    common::{Column, DFSchema, ScalarValue, exec_err, plan_err},
    error::Result,
    logical_expr::{
        ColumnarValue, Expr, ExprSchemable as _, GetFieldAccess, ScalarFunctionArgs, ScalarUDF,
        ScalarUDFImpl, Signature, Volatility,
        planner::{ExprPlanner, PlannerResult, RawFieldAccessExpr},
    },
    prelude::{ident, lit},
};
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::model::column::as_tag;

/// The function's name in plans and messages.
const NAME: &str = "tag";

/// `tag(text, name)`: the value of the name in the JSON object that the text is. A number or a
/// nested value is given as it is written. NULL when the object lacks the name, for `null`, and for
/// texts that are no JSON objects.
pub(crate) fn tag() -> Arc<ScalarUDF> {
    static FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
        let signature = Signature::any(2, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Tag { signature }))
    });
    Arc::clone(&FUNCTION)
}

/// What a dimension is of raw rows: a column, or `tags['team']`, under the dimension's name.
pub(crate) fn dimension(name: &str) -> Expr {
    match as_tag(name) {
        None => ident(name),
        Some((column, of)) => tag().call(vec![ident(column), lit(of)]).alias(name),
    }
}

/// The column of an expression that is just `tags['team']`, and what the expression is named.
pub(crate) fn tag_of(expr: &Expr) -> Option<(&Column, String)> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let [Expr::Column(column), Expr::Literal(value, _)] = call.args.as_slice() else { return None };
    let name = value.try_as_str().flatten().filter(|_| call.func.name() == NAME)?;
    Some((column, format!("{}['{name}']", column.name)))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Tag {
    signature: Signature,
}

impl ScalarUDFImpl for Tag {
    fn name(&self) -> &'static str {
        NAME
    }

    /// `calls.tags['team']`, for a call that says just this.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        if let [text, Expr::Literal(name, _)] = args {
            let name = name.try_as_str().flatten().unwrap_or_default();
            return Ok(format!("{}['{name}']", text.schema_name()));
        }
        let args: Vec<_> = args.iter().map(|arg| arg.schema_name().to_string()).collect();
        Ok(format!("{NAME}({})", args.join(",")))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        if types.iter().all(|kind| kind.is_string() || kind.is_null()) {
            return Ok(DataType::Utf8View);
        }
        plan_err!("{NAME}(text, name) takes two texts")
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [text, name] = args.args.as_slice() else {
            return exec_err!("{NAME} takes two arguments");
        };
        let values = |value: &ColumnarValue, rows| -> Result<ArrayRef> {
            Ok(cast(&value.to_array(rows)?, &DataType::Utf8View)?)
        };
        if let (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) = (text, name) {
            let found = found_in(&values(text, 1)?, &values(name, 1)?);
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?));
        }
        Ok(ColumnarValue::Array(found_in(&values(text, rows)?, &values(name, rows)?)))
    }
}

fn found_in(texts: &ArrayRef, names: &ArrayRef) -> ArrayRef {
    let (texts, names) = (texts.as_string_view(), names.as_string_view());
    let mut found = StringViewBuilder::with_capacity(texts.len());
    // Neighbouring rows mostly have the same tags.
    let mut last: Option<((&str, &str), Option<String>)> = None;
    for (text, name) in texts.iter().zip(names) {
        let Some((text, name)) = text.zip(name) else {
            found.append_null();
            continue;
        };
        let value = match last.take() {
            Some((key, value)) if key == (text, name) => value,
            _ => value_of(text, name),
        };
        found.append_option(value.as_deref());
        last = Some(((text, name), value));
    }
    Arc::new(found.finish())
}

/// The value of the name in the JSON object `text`.
fn value_of(text: &str, name: &str) -> Option<String> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let mut json = serde_json::Deserializer::from_str(text);
    json.deserialize_map(Search { name }).ok().flatten()
}

/// Looks for a name in an object. Of a name that comes twice, the last value counts.
struct Search<'n> {
    name: &'n str,
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != self.name {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &RawValue = map.next_value()?;
            found = match value.get() {
                "null" => None,
                text if text.starts_with('"') => serde_json::from_str(text).ok(),
                other => Some(other.to_owned()),
            };
        }
        Ok(found)
    }
}

/// Plans `text['name']` as [`tag`].
#[derive(Debug)]
pub(crate) struct TagPlanner;

impl ExprPlanner for TagPlanner {
    fn plan_field_access(
        &self,
        access: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        let RawFieldAccessExpr { field_access, expr } = access;
        match field_access {
            GetFieldAccess::NamedStructField { name } if expr.get_type(schema)?.is_string() => {
                Ok(PlannerResult::Planned(tag().call(vec![expr, lit(name)])))
            }
            field_access => Ok(PlannerResult::Original(RawFieldAccessExpr { field_access, expr })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_objects() {
        for (text, value) in [
            (r#"{"team":"a"}"#, Some("a")),
            (r#"{"other":{"team":"x"},"team":"b\n"}"#, Some("b\n")),
            (r#"{"team":1.50}"#, Some("1.50")),
            (r#"{"team":null}"#, None),
            (r#"{"team":["a", 1]}"#, Some(r#"["a", 1]"#)),
            (r#"{"team":"a","team":"b"}"#, Some("b")),
            ("{}", None),
            ("[]", None),
            ("team", None),
            (r#"{"team":"a""#, None),
            ("", None),
        ] {
            assert_eq!(value_of(text, "team").as_deref(), value, "{text}");
        }
    }
}
