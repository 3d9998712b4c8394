//! The canonical form of values: values that mean the same to CloudFormation are equal.
//!
//! | in a template | canonical |
//! | --- | --- |
//! | `!Join ['', [jobs, !Ref Suffix]]`, nested joins, `!Sub` with variables | `!Sub jobs${Suffix}` |
//! | `!Sub ${Table}`, `!Sub ${Table.Arn}` | `!Ref Table`, `!GetAtt Table.Arn` |
//! | `!GetAtt Table.Arn` | `Fn::GetAtt: [Table, Arn]` |
//! | `!Ref AWS::NoValue` | nothing |
//! | `!If` with two equal values, `!Select` from a list that is written out | the value |

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

const NO_VALUE: &str = "AWS::NoValue";

/// The values of parameters by name. They replace the references to these parameters.
type Values = IndexMap<String, String>;

/// A part of a text with references.
enum Part {
    StringValue(String),
    /// An intrinsic function.
    Value(Value),
}

/// The canonical form of a value. None for `AWS::NoValue`.
pub(crate) fn canonical(value: Value, values: &Values) -> Option<Value> {
    match value {
        Value::Array(items) => Some(Value::Array(list(items, values))),
        Value::Object(map) => match intrinsic(&map) {
            Some((name, argument)) => function(name, argument.clone(), values),
            None => Some(Value::Object(entries(map, values))),
        },
        scalar => Some(scalar),
    }
}

/// The canonical form of a map that is not an intrinsic function.
pub(crate) fn entries(map: Map<String, Value>, values: &Values) -> Map<String, Value> {
    let entries = map.into_iter();
    entries
        .filter_map(|(name, value)| Some((name, canonical(value, values)?)))
        .collect()
}

fn list(items: Vec<Value>, values: &Values) -> Vec<Value> {
    let items = items.into_iter();
    items.filter_map(|item| canonical(item, values)).collect()
}

/// The name and the argument of a map that is an intrinsic function.
fn intrinsic(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = map.iter().next().filter(|_| map.len() == 1)?;
    let is_one = name == "Ref" || name.starts_with("Fn::");
    is_one.then_some((name.as_str(), argument))
}

fn call(name: &str, argument: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), argument)]))
}

fn function(name: &str, argument: Value, values: &Values) -> Option<Value> {
    match (name, argument) {
        ("Ref", Value::String(target)) => reference(&target, values),
        ("Fn::GetAtt", Value::String(path)) => Some(attribute(&path)),
        ("Fn::GetAtt", Value::Array(path)) if path.iter().all(Value::is_string) => {
            let path: Vec<_> = path.iter().filter_map(Value::as_str).collect();
            Some(attribute(&path.join(".")))
        }
        ("Fn::Sub", Value::String(text)) => Some(text_of(sub(&text, &Map::new(), values))),
        ("Fn::Sub", Value::Array(arguments)) => match &arguments[..] {
            [Value::String(text), Value::Object(variables)] => {
                Some(text_of(sub(text, variables, values)))
            }
            _ => Some(call(name, Value::Array(arguments))),
        },
        ("Fn::Join", Value::Array(arguments)) => Some(join(arguments, values)),
        ("Fn::If", Value::Array(arguments)) => choice(arguments, values),
        ("Fn::Select", Value::Array(arguments)) => selected(arguments, values),
        (name, argument) => {
            let argument = canonical(argument, values);
            argument.map(|argument| call(name, argument))
        }
    }
}

fn reference(target: &str, values: &Values) -> Option<Value> {
    if target == NO_VALUE {
        return None;
    }
    let value = values.get(target).map(|value| value.clone().into());
    Some(value.unwrap_or_else(|| call("Ref", target.into())))
}

fn attribute(path: &str) -> Value {
    let (resource, attribute) = path.split_once('.').unwrap_or((path, ""));
    json!({ "Fn::GetAtt": [resource, attribute] })
}

fn join(mut arguments: Vec<Value>, values: &Values) -> Value {
    if let [Value::String(_), Value::Array(_)] = &arguments[..]
        && let (Some(Value::Array(items)), Some(Value::String(delimiter))) =
            (arguments.pop(), arguments.pop())
    {
        let mut parts = Vec::new();
        for (index, item) in list(items, values).into_iter().enumerate() {
            if index > 0 {
                parts.push(Part::StringValue(delimiter.clone()));
            }
            parts.extend(parts_of(item));
        }
        return text_of(parts);
    }
    // The list is known only when the stack is deployed.
    call("Fn::Join", Value::Array(list(arguments, values)))
}

fn choice(arguments: Vec<Value>, values: &Values) -> Option<Value> {
    let [condition, yes, no] = &arguments[..] else {
        return Some(call("Fn::If", Value::Array(arguments)));
    };
    let (yes, no) = (
        canonical(yes.clone(), values),
        canonical(no.clone(), values),
    );
    if yes == no {
        return yes;
    }
    let written = |value: Option<Value>| value.unwrap_or_else(|| call("Ref", NO_VALUE.into()));
    Some(json!({ "Fn::If": [condition, written(yes), written(no)] }))
}

fn selected(arguments: Vec<Value>, values: &Values) -> Option<Value> {
    if let [index, Value::Array(items)] = &arguments[..] {
        let index = index
            .as_u64()
            .or_else(|| index.as_str().and_then(|text| text.parse().ok()));
        let item = index.and_then(|index| items.get(usize::try_from(index).ok()?));
        if let Some(item) = item {
            return canonical(item.clone(), values);
        }
    }
    Some(call("Fn::Select", Value::Array(list(arguments, values))))
}

/// The parts of the text of a `Fn::Sub`: `${Table.Arn}` is an attribute, `${!Table}` the literal `${Table}`.
fn sub(text: &str, variables: &Map<String, Value>, values: &Values) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        parts.push(Part::StringValue(before.to_owned()));
        if let Some(literal) = name.strip_prefix('!') {
            parts.push(Part::StringValue(format!("${{{literal}}}")));
        } else if let Some(value) = variables.get(name) {
            let value = canonical(value.clone(), values);
            parts.extend(value.into_iter().flat_map(parts_of));
        } else if name.contains('.') {
            parts.push(Part::Value(attribute(name)));
        } else {
            parts.extend(reference(name, values).into_iter().flat_map(parts_of));
        }
        rest = after;
    }
    parts.push(Part::StringValue(rest.to_owned()));
    parts
}

/// The parts of a canonical value within a text.
fn parts_of(value: Value) -> Vec<Part> {
    match value {
        Value::String(text) => vec![Part::StringValue(text)],
        Value::Number(_) | Value::Bool(_) => vec![Part::StringValue(value.to_string())],
        Value::Object(map) => match intrinsic(&map) {
            Some(("Fn::Sub", Value::String(text))) => sub(text, &Map::new(), &Values::new()),
            Some(("Fn::Join", Value::Array(arguments))) => match &arguments[..] {
                [Value::String(delimiter), Value::Array(items)] if delimiter.is_empty() => {
                    items.iter().cloned().flat_map(parts_of).collect()
                }
                _ => vec![Part::Value(Value::Object(map))],
            },
            _ => vec![Part::Value(Value::Object(map))],
        },
        other => vec![Part::Value(other)],
    }
}

/// The value of parts: a text, a reference, a `Fn::Sub`, or a `Fn::Join` if `Fn::Sub` cannot express a
/// part.
fn text_of(parts: Vec<Part>) -> Value {
    let mut merged: Vec<Part> = Vec::new();
    for part in parts {
        match (merged.last_mut(), part) {
            (_, Part::StringValue(text)) if text.is_empty() => {}
            (Some(Part::StringValue(last)), Part::StringValue(text)) => last.push_str(&text),
            (_, part) => merged.push(part),
        }
    }
    if merged.len() < 2 {
        return match merged.pop() {
            None => Value::String(String::new()),
            Some(Part::StringValue(text)) => text.into(),
            Some(Part::Value(value)) => value,
        };
    }
    let text: Option<String> = merged
        .iter()
        .map(|part| match part {
            Part::StringValue(text) => literal(text),
            Part::Value(value) => sub_reference(value),
        })
        .collect();
    if let Some(text) = text {
        return call("Fn::Sub", text.into());
    }
    let items: Vec<_> = merged
        .into_iter()
        .map(|part| match part {
            Part::StringValue(text) => text.into(),
            Part::Value(value) => value,
        })
        .collect();
    json!({ "Fn::Join": ["", items] })
}

/// A literal text within `Fn::Sub`. None if it has a `${` without `}`, which `Fn::Sub` cannot express.
fn literal(text: &str) -> Option<String> {
    let is_closed = text.split("${").skip(1).all(|rest| rest.contains('}'));
    is_closed.then(|| text.replace("${", "${!"))
}

/// A reference within `Fn::Sub`. None if the value is not a reference.
fn sub_reference(value: &Value) -> Option<String> {
    match intrinsic(value.as_object()?)? {
        ("Ref", Value::String(name)) => Some(format!("${{{name}}}")),
        ("Fn::GetAtt", Value::Array(path)) => {
            let path: Option<Vec<_>> = path.iter().map(Value::as_str).collect();
            Some(format!("${{{}}}", path?.join(".")))
        }
        _ => None,
    }
}

/// The names of the resources and parameters that the text of a `Fn::Sub` refers to.
pub(crate) fn sub_references(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let (reference, _) = rest.split_once('}')?;
        let (name, _) = reference.split_once('.').unwrap_or((reference, ""));
        (!reference.starts_with('!')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: Value) -> Option<Value> {
        canonical(value, &Values::new())
    }

    #[test]
    fn texts_with_the_same_parts_are_equal() {
        let sub = json!({ "Fn::Sub": "jobs${Suffix}-${Table.Arn}" });
        let get = json!({ "Fn::GetAtt": ["Table", "Arn"] });
        let suffix = json!({ "Ref": "Suffix" });
        for written in [
            sub.clone(),
            json!({ "Fn::Join": ["", ["jobs", suffix, "-", get]] }),
            json!({ "Fn::Join": ["-", [{ "Fn::Join": ["", ["jobs", suffix]] }, get]] }),
            json!({ "Fn::Sub": ["${name}-${arn}", {
                "name": { "Fn::Join": ["", ["jobs", suffix]] },
                "arn": { "Fn::GetAtt": "Table.Arn" },
            }] }),
        ] {
            assert_eq!(of(written.clone()), Some(sub.clone()), "{written}");
        }
    }

    #[test]
    fn function_around_a_single_part_is_removed() {
        for (written, expected) in [
            (json!({ "Fn::Sub": "${Table}" }), json!({ "Ref": "Table" })),
            (
                json!({ "Fn::Join": ["", [{ "Fn::GetAtt": "T.A.B" }]] }),
                json!({ "Fn::GetAtt": ["T", "A.B"] }),
            ),
            (
                json!({ "Fn::Join": [",", ["a", 1, true]] }),
                json!("a,1,true"),
            ),
            (json!({ "Fn::Sub": "costs ${!5}" }), json!("costs ${5}")),
            (json!({ "Fn::Join": ["", []] }), json!("")),
        ] {
            assert_eq!(of(written.clone()), Some(expected), "{written}");
        }
    }

    #[test]
    fn literal_dollar_brace_stays_literal_beside_a_reference() {
        let written = json!({ "Fn::Join": ["", ["costs ${5}", { "Ref": "A" }]] });
        let expected = json!({ "Fn::Sub": "costs ${!5}${A}" });
        assert_eq!(of(written), Some(expected.clone()));
        assert_eq!(of(expected.clone()), Some(expected));
    }

    #[test]
    fn no_value_is_removed_from_maps_and_lists() {
        let none = json!({ "Ref": "AWS::NoValue" });
        assert_eq!(
            of(json!({ "a": none, "b": [none, 1], "c": { "Fn::If": ["X", none, none] } })),
            Some(json!({ "b": [1] }))
        );
        let choice = json!({ "Fn::If": ["X", 1, none] });
        assert_eq!(of(choice.clone()), Some(choice));
    }

    #[test]
    fn constant_choice_and_selection_become_their_value() {
        let join = json!({ "Fn::Join": ["", ["a", { "Ref": "B" }]] });
        let sub = json!({ "Fn::Sub": "a${B}" });
        assert_eq!(of(json!({ "Fn::If": ["X", join, sub] })), Some(sub));
        assert_eq!(
            of(json!({ "Fn::Select": ["1", ["a", "b"]] })),
            Some(json!("b"))
        );
        let unknown = json!({ "Fn::Select": [0, { "Fn::GetAZs": "" }] });
        assert_eq!(of(unknown.clone()), Some(unknown));
    }

    #[test]
    fn parameter_value_replaces_every_form_of_reference() {
        let values = Values::from([("Suffix".to_owned(), "-a${B}".to_owned())]);
        for written in [
            json!({ "Fn::Sub": "jobs${Suffix}" }),
            json!({ "Fn::Sub": ["jobs${s}", { "s": { "Ref": "Suffix" } }] }),
            json!({ "Fn::Join": ["", ["jobs", { "Ref": "Suffix" }]] }),
        ] {
            let filled = canonical(written.clone(), &values);
            assert_eq!(filled, Some(json!("jobs-a${B}")), "{written}");
        }
    }

    #[test]
    fn parts_that_sub_cannot_express_stay_a_join() {
        let open = json!({ "Fn::Join": ["", ["a${b", { "Ref": "C" }]] });
        assert_eq!(of(open.clone()), Some(open));
        let import = json!({ "Fn::ImportValue": "x" });
        let written = json!({ "Fn::Join": ["/", ["a", import, "b"]] });
        let expected = json!({ "Fn::Join": ["", ["a/", import, "/b"]] });
        assert_eq!(of(written), Some(expected.clone()));
        assert_eq!(of(expected.clone()), Some(expected));
    }
}
