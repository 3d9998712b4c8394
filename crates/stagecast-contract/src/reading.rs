//! Deserializes JSON with errors that name the path of the offending field.
//!
//! serde buffers an internally tagged or flattened type before it reads its fields, which loses the
//! field's path and the text of numbers. Such types are deserialized in two steps here: first the
//! tag, then the type that it selects.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, Unexpected, Visitor},
};

/// A field that could not be deserialized.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The path of the field, such as `events[0].progress`; empty for the whole body.
    pub(crate) path: String,
    /// The problem, as the predicate of a sentence about the field.
    pub(crate) problem: String,
}

/// Checks that a body is UTF-8 and JSON. Only the grammar is checked: numbers of any size and any
/// depth of nesting pass.
pub(crate) fn json(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("byte {} is not UTF-8", error.valid_up_to()))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Deserializes the object at the path `at` of a body whose grammar has been checked.
pub(crate) fn object<'de, T: Deserialize<'de>>(at: &str, text: &'de str) -> Result<T, FieldError> {
    // serde would deserialize a struct from an array, too.
    if !text.trim_start().starts_with('{') {
        return Err(FieldError {
            path: at.to_owned(),
            problem: "is not a JSON object".to_owned(),
        });
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| field_error(at, &error.path().to_string(), error.inner()))
}

/// Reads the `type` of the object at the path `at`.
pub(crate) fn tag<'de>(at: &str, text: &'de str) -> Result<Cow<'de, str>, FieldError> {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
    }
    object::<Tag<'_>>(at, text).map(|tag| tag.kind)
}

fn field_error(at: &str, inner: &str, error: &serde_json::Error) -> FieldError {
    let mut path = match (at, inner) {
        (at, ".") => at.to_owned(),
        ("", inner) => inner.to_owned(),
        (at, inner) => format!("{at}.{inner}"),
    };
    let mut problem = error.to_string();
    // serde's position refers to this part of the body, so it would mislead the sender.
    if let Some((cause, _)) = problem.rsplit_once(" at line ") {
        problem = cause.to_owned();
    }
    let missing = problem.strip_prefix("missing field `");
    if let Some(name) = missing.and_then(|rest| rest.strip_suffix('`')) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        "is missing".clone_into(&mut problem);
    }
    FieldError { path, problem }
}

/// Deserializes an integer from 0 to `MAX`. As in JSON Schema, `50.0` is an integer.
struct WholeNumber<const MAX: u64>;

impl<const MAX: u64> Visitor<'_> for WholeNumber<MAX> {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MAX {
            u64::MAX => formatter.write_str("a whole number of 0 or more"),
            _ => write!(formatter, "a whole number from 0 to {MAX}"),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        if number > MAX {
            return Err(E::invalid_value(Unexpected::Unsigned(number), &self));
        }
        Ok(number)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number)
            .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            .and_then(|number| self.visit_u64(number))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^53"
    )]
    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            return self.visit_u64(number as u64);
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

/// For `deserialize_with`: an integer within the range of its type.
pub(crate) fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_u64(WholeNumber::<{ u64::MAX }>)
}

/// For `deserialize_with`: [`whole_number`], or null.
pub(crate) fn optional_whole_number<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    optional::<{ u64::MAX }, D>(deserializer)
}

/// For `deserialize_with`: an integer from 0 to 100.
pub(crate) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let percent = deserializer.deserialize_u64(WholeNumber::<100>)?;
    u8::try_from(percent).map_err(de::Error::custom)
}

/// For `deserialize_with`: [`percent`], or null.
pub(crate) fn optional_percent<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u8>, D::Error> {
    let percent = optional::<100, D>(deserializer)?;
    percent
        .map(u8::try_from)
        .transpose()
        .map_err(de::Error::custom)
}

/// For `deserialize_with`: seconds of at most `MAX`, or null.
pub(crate) fn optional<'de, const MAX: u64, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    struct Number<const MAX: u64>(u64);
    impl<'de, const MAX: u64> Deserialize<'de> for Number<MAX> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_u64(WholeNumber::<MAX>).map(Self)
        }
    }
    let number = Option::<Number<MAX>>::deserialize(deserializer)?;
    Ok(number.map(|number| number.0))
}

/// For `deserialize_with`: a string in which half of a surrogate pair becomes U+FFFD. Programs that
/// cut strings by UTF-16 units produce such halves; serde alone would reject the whole body.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Text;
    impl Visitor<'_> for Text {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_bytes<E: de::Error>(self, text: &[u8]) -> Result<String, E> {
            Ok(from_wtf8(text))
        }
    }
    deserializer.deserialize_bytes(Text)
}

/// For `deserialize_with`: [`text`], or null.
pub(crate) fn optional_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    struct Text(String);
    impl<'de> Deserialize<'de> for Text {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            text(deserializer).map(Self)
        }
    }
    let text = Option::<Text>::deserialize(deserializer)?;
    Ok(text.map(|text| text.0))
}

/// `serde_json` passes half of a surrogate pair as the three bytes that a UTF-8 encoder without a
/// surrogate check would write.
fn from_wtf8(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while let Err(error) = std::str::from_utf8(bytes) {
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        text.push_str(&String::from_utf8_lossy(valid));
        text.push(char::REPLACEMENT_CHARACTER);
        bytes = rest.get(3..).unwrap_or_default();
    }
    text.push_str(&String::from_utf8_lossy(bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default, deserialize_with = "optional_text")]
        note: Option<String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        #[serde(deserialize_with = "percent")]
        percent: u8,
    }

    fn read(text: &str) -> Result<Outer, FieldError> {
        object("events[0]", text)
    }

    fn percent_of(number: &str) -> Result<u8, String> {
        let outer = read(&format!(r#"{{"inner":{{"percent":{number}}}}}"#));
        match outer {
            Ok(outer) => Ok(outer.inner.expect("an object").percent),
            Err(error) => {
                assert_eq!(error.path, "events[0].inner.percent", "{number}");
                Err(error.problem)
            }
        }
    }

    #[test]
    fn integers_are_accepted_in_every_notation() {
        for (number, expected) in [
            ("0", 0),
            ("100", 100),
            ("50.0", 50),
            ("1e2", 100),
            ("-0", 0),
        ] {
            assert_eq!(percent_of(number), Ok(expected), "{number}");
        }
    }

    #[test]
    fn number_out_of_range_is_reported_with_path_and_range() {
        for number in [
            "33.3",
            "101",
            "-1",
            "256",
            "1e30",
            "18446744073709551616",
            "\"5\"",
            "null",
        ] {
            let problem = percent_of(number).expect_err(number);
            assert!(
                problem.ends_with("expected a whole number from 0 to 100"),
                "{problem}"
            );
        }
        assert_eq!(percent_of("1e400"), Err("number out of range".to_owned()));
    }

    #[test]
    fn missing_field_is_reported_by_its_path() {
        let error = read(r#"{"inner":{}}"#).expect_err("a missing field");
        assert_eq!(error.path, "events[0].inner.percent");
        assert_eq!(error.problem, "is missing");
        assert_eq!(read("[null,null]").expect_err("an array").path, "events[0]");
    }

    #[test]
    fn half_surrogate_pair_becomes_replacement_character() {
        let note = |text: &str| read(&format!(r#"{{"note":{text}}}"#)).map(|outer| outer.note);
        assert_eq!(note(r#""cut \ud83d""#), Ok(Some("cut \u{fffd}".to_owned())));
        assert_eq!(
            note(r#""\ude00\ud83d\ude00é""#),
            Ok(Some("\u{fffd}😀é".to_owned()))
        );
        assert_eq!(note("null"), Ok(None));
        assert!(
            note("5")
                .expect_err("a number")
                .problem
                .ends_with("expected a string")
        );
    }

    #[test]
    fn json_checks_only_the_grammar() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(json(deep.as_bytes()).is_ok());
        assert!(json(br#"[1e400, "\ud800"]"#).is_ok());
        assert_eq!(json(b"\"\xff\""), Err("byte 1 is not UTF-8".to_owned()));
        assert!(json(b"{} {}").is_err());
    }
}
