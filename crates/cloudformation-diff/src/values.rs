//! Compares two values of a template.

use serde_json::Value;

use crate::{
    meaning::{
        is_intrinsic, is_leaf, is_one_or_many, is_unordered, principal, same, same_in, scalar,
    },
    path::PropertyPath,
    registry::UnorderedLists,
};

/// A difference of two values at a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ValueChange {
    pub(crate) path: PropertyPath,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// Keys that identify the items of a list of maps, so that an inserted item is one difference.
const IDENTITIES: [&str; 7] = [
    "Sid",
    "Key",
    "PolicyName",
    "IndexName",
    "AttributeName",
    "Id",
    "Name",
];

/// All differences of two values. Values that mean the same are equal.
pub(crate) fn differences(
    path: &PropertyPath,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Vec<ValueChange> {
    differences_in(&UnorderedLists::default(), path, before, after)
}

/// All differences of two values of a resource type, of which `lists` have no order.
pub(crate) fn differences_in(
    lists: &UnorderedLists,
    path: &PropertyPath,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Vec<ValueChange> {
    let mut changes = Vec::new();
    collect(lists, path, before, after, &mut changes);
    changes
}

fn collect(
    lists: &UnorderedLists,
    path: &PropertyPath,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<ValueChange>,
) {
    if let (Some(one), Some(other)) = (before, after)
        && one.is_object() != other.is_object()
    {
        let (one, other) = (principal(path, one), principal(path, other));
        if one.is_some() || other.is_some() {
            let (one, other) = (one.as_ref().or(before), other.as_ref().or(after));
            return collect(lists, path, one, other, changes);
        }
    }
    match (before, after) {
        (Some(before), Some(after)) if same_in(path, before, after) => {}
        (Some(Value::Object(old)), Some(Value::Object(new)))
            if !is_intrinsic(old) && !is_intrinsic(new) =>
        {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                collect(
                    lists,
                    &path.name(name),
                    old.get(name),
                    new.get(name),
                    changes,
                );
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            collect_items(lists, path, old, new, changes);
        }
        (Some(Value::Array(old)), Some(new)) if is_one_or_many(path) => {
            collect_items(lists, path, old, std::slice::from_ref(new), changes);
        }
        (Some(old), Some(Value::Array(new))) if is_one_or_many(path) => {
            collect_items(lists, path, std::slice::from_ref(old), new, changes);
        }
        (None, None) => {}
        (before, after) => changes.push(ValueChange {
            path: path.clone(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn collect_items(
    lists: &UnorderedLists,
    path: &PropertyPath,
    old: &[Value],
    new: &[Value],
    changes: &mut Vec<ValueChange>,
) {
    let count = changes.len();
    if let Some(identity) = identity(old, new) {
        let named = |items: &[Value], name: &Value| {
            let found = items.iter().find(|item| same(&item[identity], name));
            found.cloned()
        };
        for item in old {
            let name = &item[identity];
            let after = named(new, name);
            collect(
                lists,
                &path.item(inline(name)),
                Some(item),
                after.as_ref(),
                changes,
            );
        }
        for item in new {
            let name = &item[identity];
            if named(old, name).is_none() {
                collect(lists, &path.item(inline(name)), None, Some(item), changes);
            }
        }
    } else if old.iter().chain(new).all(is_leaf) {
        let without = |items: &[Value], others: &[Value]| {
            let mut others: Vec<_> = others.iter().collect();
            let mut left = items.to_vec();
            left.retain(|item| {
                let position = others.iter().position(|it| same_in(path, it, item));
                position.is_none_or(|position| {
                    others.swap_remove(position);
                    false
                })
            });
            left
        };
        for item in without(old, new) {
            collect(lists, path, Some(&item), None, changes);
        }
        for item in without(new, old) {
            collect(lists, path, None, Some(&item), changes);
        }
    } else {
        let (old, new) = if is_unordered(path, lists) {
            without_equals(lists, path, old, new)
        } else {
            (old.iter().collect(), new.iter().collect())
        };
        for index in 0..old.len().max(new.len()) {
            let (before, after) = (old.get(index).copied(), new.get(index).copied());
            collect(lists, &path.item(index), before, after, changes);
        }
    }
    let only_order = changes.len() == count && old.len() > 1;
    if only_order && !is_unordered(path, lists) {
        changes.push(ValueChange {
            path: path.clone(),
            before: Some(old.into()),
            after: Some(new.into()),
        });
    }
}

/// The items of two lists without those that are in both, in any order.
fn without_equals<'a>(
    lists: &UnorderedLists,
    path: &PropertyPath,
    old: &'a [Value],
    new: &'a [Value],
) -> (Vec<&'a Value>, Vec<&'a Value>) {
    let mut new: Vec<_> = new.iter().collect();
    let mut left = Vec::new();
    for item in old {
        let is_equal = |other: &&Value| {
            let place = path.item(0);
            differences_in(lists, &place, Some(item), Some(other)).is_empty()
        };
        match new.iter().position(is_equal) {
            Some(position) => {
                new.remove(position);
            }
            None => left.push(item),
        }
    }
    (left, new)
}

/// The key that identifies all items of both lists, if there is one.
fn identity(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let distinct = |items: &[Value], key: &str| {
        items.iter().enumerate().all(|(index, item)| {
            let others = &items[..index];
            item.get(key)
                .is_some_and(|name| !others.iter().any(|other| same(&other[key], name)))
        })
    };
    IDENTITIES
        .into_iter()
        .find(|key| distinct(old, key) && distinct(new, key))
}

/// The name of an item of a list of maps, if it has one.
pub(crate) fn item_name(item: &Value) -> Option<String> {
    IDENTITIES
        .into_iter()
        .find_map(|key| item.get(key).map(inline))
}

/// A value on one line, with intrinsic functions in the short form.
pub(crate) fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) if is_intrinsic(map) => {
            let entries = map.iter().map(|(name, value)| {
                let name = name.trim_start_matches("Fn::");
                match value {
                    Value::Array(path) if name == "GetAtt" => {
                        let path: Vec<_> = path.iter().map(scalar).collect();
                        format!("!GetAtt {}", path.join("."))
                    }
                    value => format!("!{name} {}", inline(value)),
                }
            });
            entries.collect()
        }
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(name, value)| format!("{name}: {}", inline(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::String(text) if text.is_empty() => "''".to_owned(),
        scalar_value => scalar(scalar_value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(property: &str, before: &Value, after: &Value) -> Vec<String> {
        let path = PropertyPath::default().name(property);
        let text = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), inline);
        differences(&path, Some(before), Some(after))
            .iter()
            .map(|change| {
                let (before, after) = (text(&change.before), text(&change.after));
                format!("{}: {before} -> {after}", change.path)
            })
            .collect()
    }

    #[test]
    fn number_and_boolean_equal_their_text() {
        let before = json!({ "a": 5, "b": true, "c": "x", "d": 0.5, "e": 60 });
        let after = json!({ "c": "x", "b": "true", "a": "5", "d": "0.50", "e": 60.0 });
        assert_eq!(of("P", &before, &after), [""; 0]);
        assert_eq!(of("P", &json!(5), &json!("6")), ["P: 5 -> 6"]);
        assert_eq!(of("P", &json!(null), &json!({})), ["P: null -> {}"]);
    }

    #[test]
    fn items_are_compared_by_name() {
        let before = json!([{ "Key": "a", "Value": "1" }, { "Key": "b", "Value": "2" }]);
        let after = json!([
            { "Key": "c", "Value": "3" },
            { "Key": "b", "Value": "9" },
            { "Key": "a", "Value": "1" },
        ]);
        assert_eq!(
            of("Tags", &before, &after),
            [
                "Tags[b].Value: 2 -> 9",
                "Tags[c]: nothing -> {Key: c, Value: 3}"
            ]
        );
    }

    #[test]
    fn order_of_items_counts_only_in_ordered_lists() {
        let (before, after) = (json!(["a", "b"]), json!(["b", "c"]));
        assert_eq!(
            of("Action", &before, &after),
            ["Action: a -> nothing", "Action: nothing -> c"]
        );
        let after = json!(["b", "a"]);
        assert_eq!(of("Action", &before, &after), [""; 0]);
        assert_eq!(
            of("Command", &before, &after),
            ["Command: [a, b] -> [b, a]"]
        );
    }

    #[test]
    fn value_equals_a_list_of_it_only_where_iam_says_so() {
        assert_eq!(of("Action", &json!("a"), &json!(["a"])), [""; 0]);
        assert_eq!(
            of("Command", &json!("a"), &json!(["a"])),
            ["Command: a -> [a]"]
        );
    }

    #[test]
    fn policies_with_the_same_meaning_are_equal() {
        let one = json!({ "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": "a",
                "Condition": { "StringEquals": { "aws:SourceArn": ["a", "b"] } },
            },
            { "Effect": "Deny", "Principal": { "Service": "x" }, "Action": "sqs:SendMessage" },
        ] });
        let other = json!({ "Statement": [
            { "Effect": "Deny", "Principal": { "Service": ["x"] }, "Action": ["sqs:sendmessage"] },
            {
                "Effect": "Allow",
                "Principal": { "AWS": ["*"] },
                "Action": ["s3:putobject", "s3:GetObject"],
                "Resource": ["a"],
                "Condition": { "StringEquals": { "aws:SourceArn": ["b", "a"] } },
            },
        ] });
        assert_eq!(of("PolicyDocument", &one, &other), [""; 0]);
        assert_eq!(of("PolicyDocument", &other, &one), [""; 0]);
        let mut changed = other;
        changed["Statement"][1]["Condition"]["StringEquals"]["aws:SourceArn"] = json!("b");
        assert_eq!(
            of("PolicyDocument", &one, &changed),
            ["PolicyDocument.Statement[0].Condition.StringEquals.aws:SourceArn: a -> nothing"]
        );
    }

    #[test]
    fn items_without_names_are_compared_by_position() {
        let before = json!([{ "Days": 1 }, { "Days": 2 }]);
        let after = json!([{ "Days": 1 }, { "Days": 3 }, { "Days": 4 }]);
        assert_eq!(
            of("Rules", &before, &after),
            ["Rules[1].Days: 2 -> 3", "Rules[2]: nothing -> {Days: 4}"]
        );
    }

    #[test]
    fn intrinsic_function_is_compared_as_a_whole() {
        let before = json!({ "Ref": "Table" });
        let after = json!({ "Fn::GetAtt": ["Table", "Arn"] });
        assert_eq!(
            of("P", &before, &after),
            ["P: !Ref Table -> !GetAtt Table.Arn"]
        );
        let before = json!({ "Fn::If": ["Rich", 1, 2] });
        let after = json!({ "Fn::If": ["Rich", 2, 1] });
        assert_eq!(
            of("P", &before, &after),
            ["P: !If [Rich, 1, 2] -> !If [Rich, 2, 1]"]
        );
    }
}
