//! Which values mean the same at a path.

use serde_json::{Map, Value, json};

use crate::{path::PropertyPath, registry::UnorderedLists};

/// Properties whose lists AWS reads as sets, in every type. Those of single types are in the registry.
const UNORDERED: [&str; 33] = [
    "AWS",
    "Action",
    "AlarmActions",
    "AllowHeaders",
    "AllowMethods",
    "AllowOrigins",
    "AllowedHeaders",
    "AllowedMethods",
    "AllowedOrigins",
    "Architectures",
    "AttributeDefinitions",
    "Audience",
    "AuthorizationScopes",
    "CanonicalUser",
    "DependsOn",
    "Dimensions",
    "ExposeHeaders",
    "ExposedHeaders",
    "Federated",
    "FunctionResponseTypes",
    "GlobalSecondaryIndexes",
    "InsufficientDataActions",
    "LocalSecondaryIndexes",
    "ManagedPolicyArns",
    "NonKeyAttributes",
    "NotAction",
    "NotResource",
    "OKActions",
    "Policies",
    "Resource",
    "Service",
    "Statement",
    "Tags",
];

/// Properties that take a value or a list of values.
const ONE_OR_MANY: [&str; 10] = [
    "AWS",
    "Action",
    "CanonicalUser",
    "DependsOn",
    "Federated",
    "NotAction",
    "NotResource",
    "Resource",
    "Service",
    "Statement",
];

/// The part of a policy statement in which every value can be a list, in any order. The resource attribute
/// of the same name is a text.
const CONDITION: &str = "Condition";

pub(crate) fn is_unordered(path: &PropertyPath, lists: &UnorderedLists) -> bool {
    let mut patterns = lists.patterns().iter();
    UNORDERED.contains(&path.property())
        || path.is_below(CONDITION)
        || patterns.any(|pattern| path.is_exactly(pattern))
}

pub(crate) fn is_one_or_many(path: &PropertyPath) -> bool {
    ONE_OR_MANY.contains(&path.property()) || path.is_below(CONDITION)
}

/// Whether two values at a path mean the same. The case of IAM actions does not matter.
pub(crate) fn same_in(path: &PropertyPath, one: &Value, other: &Value) -> bool {
    let is_action = ["Action", "NotAction"].contains(&path.property());
    match (one, other) {
        (Value::String(one), Value::String(other)) if is_action => one.eq_ignore_ascii_case(other),
        _ => same(one, other),
    }
}

/// The principal `*` in its long form.
pub(crate) fn principal(path: &PropertyPath, value: &Value) -> Option<Value> {
    let is_principal = ["Principal", "NotPrincipal"].contains(&path.property());
    (is_principal && value == "*").then(|| json!({ "AWS": "*" }))
}

/// Whether two values mean the same. To CloudFormation `5`, `5.0` and `"5"` do.
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(name, value)| other.get(name).is_some_and(|it| same(it, value)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        (one, other) => {
            let number = |value: &Value| scalar(value).parse::<f64>().ok();
            let is_number = one.is_number() || other.is_number();
            scalar(one) == scalar(other)
                || is_number && number(one).is_some_and(|one| number(other) == Some(one))
        }
    }
}

/// Whether a value is compared as a whole: a scalar or an intrinsic function.
pub(crate) fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(map) => is_intrinsic(map),
        Value::Array(_) => false,
        _ => true,
    }
}

pub(crate) fn is_intrinsic(map: &Map<String, Value>) -> bool {
    let mut names = map.keys();
    match (names.next(), names.next()) {
        (Some(name), None) => name == "Ref" || name == "Condition" || name.starts_with("Fn::"),
        _ => false,
    }
}

pub(crate) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
