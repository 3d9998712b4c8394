//! Values that stand for more than one value in an expected [`serde_json::json!`] value.
//!
//! A matcher is a JSON object with one field whose name no CloudFormation property has, so that it can be
//! part of any JSON value.

use serde_json::{Map, Value};

pub(super) const ABSENT: &str = "cloudformation::assertions::absent";
pub(super) const ANY: &str = "cloudformation::assertions::any";
pub(super) const ARRAY_WITH: &str = "cloudformation::assertions::array_with";
pub(super) const EXACTLY: &str = "cloudformation::assertions::exactly";
pub(super) const NOT: &str = "cloudformation::assertions::not";
pub(super) const TEXT_WITH: &str = "cloudformation::assertions::text_with";

/// Matches a field that the object does not have.
pub fn absent() -> Value {
    matcher(ABSENT, Value::Null)
}

/// Matches any value that is present.
pub fn any() -> Value {
    matcher(ANY, Value::Null)
}

/// Matches an array that contains a match of each of `elements`, in this order. It may contain other elements.
pub fn array_with(elements: impl IntoIterator<Item = Value>) -> Value {
    matcher(ARRAY_WITH, elements.into_iter().collect())
}

/// Matches an equal value. Without it, an object matches if it contains the expected fields.
pub fn exactly(value: Value) -> Value {
    matcher(EXACTLY, value)
}

/// Matches a present value that `pattern` does not match.
pub fn not(pattern: Value) -> Value {
    matcher(NOT, pattern)
}

/// Matches a text that contains `part`.
pub fn text_with(part: &str) -> Value {
    matcher(TEXT_WITH, part.into())
}

fn matcher(name: &str, argument: Value) -> Value {
    Map::from_iter([(name.to_owned(), argument)]).into()
}
