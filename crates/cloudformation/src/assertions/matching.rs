//! The comparison of an actual value with an expected one.

use std::fmt;

use serde_json::{Map, Value};

use super::matchers::{ABSENT, ANY, ARRAY_WITH, EXACTLY, NOT, TEXT_WITH};

/// Where and how a value differs from the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    path: String,
    problem: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.problem)
        } else {
            write!(formatter, "at {}: {}", self.path, self.problem)
        }
    }
}

/// The differences of `actual`, which is `None` if the field is absent, from `expected`. Empty if it matches.
pub(super) fn mismatches(path: &str, actual: Option<&Value>, expected: &Value) -> Vec<Mismatch> {
    let different = |problem: String| {
        let path = path.to_owned();
        vec![Mismatch { path, problem }]
    };
    let (matcher, argument) = matcher(expected).unwrap_or(("", expected));
    let Some(actual) = actual else {
        return match matcher {
            ABSENT => Vec::new(),
            _ => different(format!("is missing; expected {}", describe(expected))),
        };
    };
    match matcher {
        ABSENT => different(format!("expected no value, found {actual}")),
        ANY => Vec::new(),
        EXACTLY if actual == argument => Vec::new(),
        NOT if !mismatches(path, Some(actual), argument).is_empty() => Vec::new(),
        TEXT_WITH if contains(actual, argument) => Vec::new(),
        ARRAY_WITH => match missing_element(path, actual, argument) {
            None => Vec::new(),
            Some(element) => different(format!(
                "expected an array with {}, found {actual}",
                describe(element)
            )),
        },
        "" => plain(path, actual, expected),
        _ => different(format!("expected {}, found {actual}", describe(expected))),
    }
}

/// Compares with a value that is no matcher itself.
fn plain(path: &str, actual: &Value, expected: &Value) -> Vec<Mismatch> {
    match (actual, expected) {
        (Value::Object(actual), Value::Object(expected)) => {
            let fields = expected.iter();
            fields
                .flat_map(|(name, value)| {
                    let path = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    mismatches(&path, actual.get(name), value)
                })
                .collect()
        }
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => actual
            .iter()
            .zip(expected)
            .enumerate()
            .flat_map(|(index, (actual, expected))| {
                mismatches(&format!("{path}[{index}]"), Some(actual), expected)
            })
            .collect(),
        _ if actual == expected => Vec::new(),
        _ => vec![Mismatch {
            path: path.to_owned(),
            problem: format!("expected {}, found {actual}", describe(expected)),
        }],
    }
}

/// The first of the expected elements that has no match after the matches of those before it.
fn missing_element<'a>(path: &str, actual: &Value, expected: &'a Value) -> Option<&'a Value> {
    let mut rest = actual.as_array().map(Vec::as_slice).unwrap_or_default();
    let expected = expected.as_array().map(Vec::as_slice).unwrap_or_default();
    for element in expected {
        let matches = |it: &Value| mismatches(path, Some(it), element).is_empty();
        match rest.iter().position(matches) {
            Some(index) => rest = &rest[index + 1..],
            None => return Some(element),
        }
    }
    None
}

fn contains(actual: &Value, part: &Value) -> bool {
    match (actual, part) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        _ => false,
    }
}

/// The name and the argument of a matcher.
fn matcher(value: &Value) -> Option<(&str, &Value)> {
    let fields: &Map<String, Value> = value.as_object()?;
    let (name, argument) = fields.iter().next()?;
    let known = [ABSENT, ANY, ARRAY_WITH, EXACTLY, NOT, TEXT_WITH];
    (fields.len() == 1 && known.contains(&name.as_str())).then_some((name, argument))
}

/// An expected value as text, with its matchers as they are written.
fn describe(expected: &Value) -> String {
    match matcher(expected) {
        Some((ABSENT, _)) => "no value".to_owned(),
        Some((ANY, _)) => "any value".to_owned(),
        Some((EXACTLY, value)) => format!("exactly {value}"),
        Some((NOT, pattern)) => format!("a value other than {}", describe(pattern)),
        Some((TEXT_WITH, part)) => format!("a text with {part}"),
        Some((ARRAY_WITH, elements)) => format!("an array with {elements}"),
        _ => expected.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{absent, any, array_with, exactly, not, text_with},
        *,
    };

    fn problems(actual: &Value, expected: &Value) -> Vec<String> {
        let found = mismatches("", Some(actual), expected);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn object_matches_if_it_contains_the_expected_fields() {
        let actual = json!({ "a": 1, "b": { "c": [1, 2], "d": "x" } });
        assert!(problems(&actual, &json!({ "b": { "c": [1, 2] } })).is_empty());
        assert_eq!(
            problems(&actual, &json!({ "a": 2, "b": { "c": [1, 3], "e": 5 } })),
            [
                "at a: expected 2, found 1",
                "at b.c[1]: expected 3, found 2",
                "at b.e: is missing; expected 5",
            ]
        );
    }

    #[test]
    fn arrays_match_element_by_element() {
        assert!(problems(&json!([{ "a": 1, "b": 2 }]), &json!([{ "a": 1 }])).is_empty());
        assert_eq!(
            problems(&json!([1, 2]), &json!([1])),
            ["expected [1], found [1,2]"]
        );
    }

    #[test]
    fn matchers_match_what_they_name() {
        let actual = json!({ "text": "arn:aws:sqs", "list": [{ "a": 1, "b": 2 }, 3, 4] });
        for matching in [
            json!({ "text": any(), "other": absent() }),
            json!({ "text": text_with("aws") }),
            json!({ "text": not(text_with("gcp")) }),
            json!({ "list": array_with([json!({ "a": 1 }), json!(4)]) }),
            json!({ "list": array_with([exactly(json!({ "b": 2, "a": 1 }))]) }),
        ] {
            assert_eq!(problems(&actual, &matching), Vec::<String>::new());
        }
        for (different, problem) in [
            (
                json!({ "text": absent() }),
                r#"at text: expected no value, found "arn:aws:sqs""#,
            ),
            (
                json!({ "other": any() }),
                "at other: is missing; expected any value",
            ),
            (
                json!({ "text": not(any()) }),
                r#"at text: expected a value other than any value, found "arn:aws:sqs""#,
            ),
            (
                json!({ "text": text_with("gcp") }),
                r#"at text: expected a text with "gcp", found "arn:aws:sqs""#,
            ),
            (
                json!({ "list": array_with([json!(4), json!(3)]) }),
                r#"at list: expected an array with 3, found [{"a":1,"b":2},3,4]"#,
            ),
            (
                json!({ "list": array_with([exactly(json!({ "a": 1 }))]) }),
                r#"at list: expected an array with exactly {"a":1}, found [{"a":1,"b":2},3,4]"#,
            ),
        ] {
            assert_eq!(problems(&actual, &different), [problem]);
        }
    }
}
