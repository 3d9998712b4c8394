//! JSON that is stored and sent byte for byte.
//!
//! Results are opaque to Stagecast. They stay text from the request body to the log, the bucket and
//! both APIs, with every digit, key order, duplicate key and escape. Parsing and serializing them
//! would change doubles, large integers, `-0` and `1e400`.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

/// Valid JSON with its original bytes.
///
/// It deserializes from JSON text only, and not through an internally tagged or flattened type:
/// serde buffers those, and a buffer loses the text.
///
/// Equality ignores whitespace between tokens.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RawJson(Arc<RawValue>);

impl RawJson {
    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// Serializes a value.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// Checks that a text is JSON.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(|raw| Self(raw.into()))
    }

    /// The text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Deserializes the value.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.get())
    }

    /// Depth of nesting of arrays and objects; 0 for a string or a number.
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

/// The bytes of JSON text, each with whether it is part of a string.
fn bytes(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let (mut in_string, mut escaped) = (false, false);
    text.bytes().map(move |byte| {
        let was_in_string = in_string;
        if escaped {
            escaped = false;
        } else if byte == b'"' {
            in_string = !in_string;
        } else {
            escaped = in_string && byte == b'\\';
        }
        (byte, was_in_string)
    })
}

fn outside_strings(text: &str) -> impl Iterator<Item = u8> {
    bytes(text).filter_map(|(byte, in_string)| (!in_string).then_some(byte))
}

/// The bytes without the whitespace between tokens.
fn significant(text: &str) -> impl Iterator<Item = u8> {
    bytes(text).filter_map(|(byte, in_string)| {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        (in_string || !is_space).then_some(byte)
    })
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
