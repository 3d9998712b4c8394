//! The value: JSON text behind a reference count.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use crate::tokens::{outside_strings, significant};

/// Valid JSON with its original bytes. A clone shares them.
///
/// It deserializes from JSON text only, and not through an internally tagged or flattened type:
/// serde buffers those, and a buffer loses the text.
///
/// Equality ignores whitespace between tokens, and nothing else: `1` and `1.0` differ.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RawJson(Arc<RawValue>);

impl RawJson {
    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// Serializes a value.
    ///
    /// # Errors
    ///
    /// If JSON has no form for the value, such as a map whose keys are no strings, or if its
    /// `Serialize` fails.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// Takes a text. Whitespace around the value is not kept.
    ///
    /// # Errors
    ///
    /// If the text is not one JSON value, with the line and the column of the first error.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Deserializes the value. Doubles are read as they were written, to the last digit.
    ///
    /// # Errors
    ///
    /// If the JSON does not have the form of a `T`, or is nested more than 127 levels deep.
    ///
    /// ```
    /// # use raw_json::RawJson;
    /// let point = RawJson::from_text("[12.917521550408111, -0.0]".to_owned())?;
    /// assert_eq!(point.read::<(f64, f64)>()?.0.to_string(), "12.917521550408111");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get())
    }

    /// Depth of nesting of arrays and objects; 0 for a string or a number. Reads the text once, and
    /// does not recurse.
    ///
    /// ```
    /// # use raw_json::RawJson;
    /// assert_eq!(RawJson::from_text(r#"{ "a": [[1], "[[["] }"#.to_owned())?.depth(), 3);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn depth(&self) -> usize {
        let (mut depth, mut deepest) = (0_usize, 0);
        for byte in outside_strings(self.get()) {
            match byte {
                b'[' | b'{' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get() || significant(self.get()).eq(significant(other.get()))
    }
}

impl Eq for RawJson {}

impl From<Value> for RawJson {
    fn from(value: Value) -> Self {
        // A `Value` has only string keys and finite numbers, so it always serializes.
        Self::from_text(value.to_string()).unwrap_or_else(|_| Self::null())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for RawJson {
    fn inline_schema() -> bool {
        Value::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Value::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Value::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::from_text(text.to_owned()).expect("JSON")
    }

    #[test]
    fn text_is_unchanged_by_a_round_trip() {
        for text in [
            "12.917521550408111",
            "123456789012345678901234567890",
            "-0",
            "1e400",
            r#"{ "b": 1.0,  "a": 1E+2, "b": 2 }"#,
            r#""\u0041\ud800 \/ A""#,
        ] {
            let read: RawJson = serde_json::from_str(text).expect("JSON");
            assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
        }
    }

    #[test]
    fn equality_ignores_whitespace_between_tokens_only() {
        assert_eq!(raw(r#"{"a": [1,  2]}"#), raw("{\"a\":\n[1,2]\t}"));
        assert_ne!(raw(r#"{"a": "b c"}"#), raw(r#"{"a": "bc"}"#));
        assert_ne!(raw(r#""\" a""#), raw(r#""\"a""#));
        assert_ne!(raw("1"), raw("1.0"));
        assert_ne!(raw("[1]"), raw("[1,1]"));
    }

    #[test]
    fn depth_counts_open_brackets_outside_strings() {
        assert_eq!(raw("5").depth(), 0);
        assert_eq!(raw(r#"{"a":[{}],"b":[]}"#).depth(), 3);
        assert_eq!(raw(r#"["[[[\"[["]"#).depth(), 1);
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(raw(&deep).depth(), 10_000);
    }

    #[test]
    fn values_and_types_serialize_as_serde_does() {
        assert_eq!(
            RawJson::from(json!({ "a": [null] })).get(),
            r#"{"a":[null]}"#
        );
        assert_eq!(RawJson::of(&0.1_f32).expect("JSON").get(), "0.1");
        assert_eq!(RawJson::null().read::<Option<u8>>().expect("null"), None);
    }
}
