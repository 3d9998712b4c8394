//! Updates that a service refuses although the template is valid. CloudFormation discovers them during
//! the update, and rolls it back.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;

use crate::{
    change::{ChangeAction, Difference, Disposition, Refusal, ResourceChange},
    document::{PROPERTIES, ResourceDocument, TemplateDocument},
    names::name_property,
    path::PropertyPath,
    values::{differences, inline},
};

const TABLE: &str = "AWS::DynamoDB::Table";

const INDEXES: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html";
const LOCAL_INDEXES: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-dynamodb-table-localsecondaryindex.html";
const TIME_TO_LIVE: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-dynamodb-table-timetolivespecification.html";
const PROTECTION: &str = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html";
const NAMES: &str = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-name.html";

/// Properties that are unique together in an account or in an API, by type. Besides names
/// ([`name_property`]), which are unique too.
const UNIQUE: [(&str, &[&str]); 4] = [
    (
        "AWS::ApiGatewayV2::ApiMapping",
        &["DomainName", "ApiMappingKey"],
    ),
    ("AWS::ApiGatewayV2::Route", &["ApiId", "RouteKey"]),
    ("AWS::ApiGatewayV2::Stage", &["ApiId", "StageName"]),
    (
        "AWS::Lambda::EventSourceMapping",
        &["EventSourceArn", "FunctionName"],
    ),
];

impl Difference {
    /// Sets [`ResourceChange::refusals`] of every change. [`compare`](crate::compare) has done so. Call it
    /// again after changing the [`ResourceChange::action`] of a change, by which some updates are refused.
    pub fn find_refusals(&mut self, old: &TemplateDocument, new: &TemplateDocument) {
        let changes = self.iam.iter().chain(&self.resources);
        let replaced = changes.filter(|change| change.action == ChangeAction::Replaced);
        let replaced: BTreeSet<_> = replaced.map(|change| change.logical_id.clone()).collect();
        for change in self.iam.iter_mut().chain(&mut self.resources) {
            change.refusals = refusals(change, old, new, &replaced);
        }
    }

    /// The changes that a service will refuse.
    pub fn refused(&self) -> impl Iterator<Item = &ResourceChange> {
        let changes = self.iam.iter().chain(&self.resources);
        changes.filter(|change| !change.refusals.is_empty())
    }
}

fn refusals(
    change: &ResourceChange,
    old: &TemplateDocument,
    new: &TemplateDocument,
    replaced: &BTreeSet<String>,
) -> Vec<Refusal> {
    let id = &change.logical_id;
    let (before, after) = (old.resources.get(id), new.resources.get(id));
    let mut found = Vec::new();
    match (change.action, before, after) {
        (ChangeAction::Changed, Some(before), Some(after)) if after.kind == TABLE => {
            found.extend(global_indexes(before, after));
            found.extend(local_indexes(before, after));
            found.extend(time_to_live(before, after));
        }
        (ChangeAction::Replaced, _, Some(after)) => {
            found.extend(kept_name(change, after));
            found.extend(taken_identity(id, after, old, replaced));
        }
        (ChangeAction::Added, _, Some(after)) => {
            found.extend(taken_identity(id, after, old, replaced));
        }
        (ChangeAction::Removed, Some(before), _) => found.extend(protected(change, before)),
        _ => {}
    }
    found
}

fn property<'a>(resource: &'a ResourceDocument, name: &str) -> Option<&'a Value> {
    resource.attribute(PROPERTIES)?.get(name)
}

fn is_same(one: Option<&Value>, other: Option<&Value>) -> bool {
    differences(&PropertyPath::default(), one, other).is_empty()
}

/// The indexes of a table, by name.
fn indexes<'a>(table: &'a ResourceDocument, list: &str) -> IndexMap<String, &'a Value> {
    let indexes = property(table, list).and_then(Value::as_array);
    let indexes = indexes.into_iter().flatten();
    let named = indexes.filter_map(|index| Some((inline(index.get("IndexName")?), index)));
    named.collect()
}

fn missing_from<'a>(
    names: &'a IndexMap<String, &Value>,
    others: &IndexMap<String, &Value>,
) -> Vec<&'a str> {
    let names = names.keys().filter(|name| !others.contains_key(*name));
    names.map(String::as_str).collect()
}

fn global_indexes(before: &ResourceDocument, after: &ResourceDocument) -> Vec<Refusal> {
    let list = "GlobalSecondaryIndexes";
    let (old, new) = (indexes(before, list), indexes(after, list));
    let mut found = Vec::new();
    for (name, index) in &new {
        let Some(earlier) = old.get(name) else {
            continue;
        };
        for part in ["KeySchema", "Projection"] {
            if !is_same(earlier.get(part), index.get(part)) {
                found.push(Refusal {
                    reason: format!("DynamoDB cannot change the {part} of the index {name}"),
                    help: format!(
                        "add an index with another name, deploy, use it in the code, and remove {name} in a \
                         later deployment"
                    ),
                    source: INDEXES,
                });
            }
        }
    }
    let (created, deleted) = (missing_from(&new, &old), missing_from(&old, &new));
    if created.len() + deleted.len() > 1 {
        let verbs = [("creates", created), ("deletes", deleted)];
        let verbs = verbs.into_iter().filter(|(_, names)| !names.is_empty());
        let verbs: Vec<_> = verbs
            .map(|(verb, names)| format!("{verb} {}", names.join(", ")))
            .collect();
        found.push(Refusal {
            reason: format!(
                "DynamoDB creates or deletes one global secondary index per update, and this update {}",
                verbs.join(" and ")
            ),
            help: "change one index, deploy, then change the next".to_owned(),
            source: INDEXES,
        });
    }
    found
}

fn local_indexes(before: &ResourceDocument, after: &ResourceDocument) -> Option<Refusal> {
    let list = "LocalSecondaryIndexes";
    let of =
        |resource| property(resource, list).filter(|it| !it.as_array().is_some_and(Vec::is_empty));
    (!is_same(of(before), of(after))).then(|| Refusal {
        reason: "DynamoDB creates local secondary indexes only together with their table"
            .to_owned(),
        help: "use a global secondary index, or create another table".to_owned(),
        source: LOCAL_INDEXES,
    })
}

/// The attribute by which the items of a table expire. None if time to live is disabled.
fn expiry(table: &ResourceDocument) -> Option<&Value> {
    let specification = property(table, "TimeToLiveSpecification")?;
    let enabled = specification.get("Enabled")?;
    let is_enabled = inline(enabled) == "true";
    specification.get("AttributeName").filter(|_| is_enabled)
}

fn time_to_live(before: &ResourceDocument, after: &ResourceDocument) -> Option<Refusal> {
    let earlier = expiry(before)?;
    let is_given = property(after, "TimeToLiveSpecification").is_some();
    let reason = match expiry(after) {
        Some(later) if !is_same(Some(earlier), Some(later)) => format!(
            "DynamoDB cannot change the attribute for time to live, {} to {}, while it is enabled",
            inline(earlier),
            inline(later)
        ),
        None if !is_given => format!(
            "DynamoDB disables time to live only by the name of its attribute, {}",
            inline(earlier)
        ),
        _ => return None,
    };
    Some(Refusal {
        reason,
        help: format!(
            "set Enabled to false and leave AttributeName {}, deploy, wait an hour, then deploy the change; \
             DynamoDB takes one change of time to live per hour",
            inline(earlier)
        ),
        source: TIME_TO_LIVE,
    })
}

/// A certain replacement of a resource that keeps the name in its template. CloudFormation creates the new
/// resource before it deletes the old one, so that both would have the name.
fn kept_name(change: &ResourceChange, after: &ResourceDocument) -> Option<Refusal> {
    let name = name_property(&after.kind)?;
    property(after, name)?;
    let is_certain = change.causes.iter().any(|cause| !cause.conditional);
    let mut changes = change.changes.iter();
    let is_renamed = changes.any(|change| change.path.to_string() == name);
    (is_certain && !is_renamed).then(|| Refusal {
        reason: format!("CloudFormation cannot replace a resource that keeps its name, and {name} stays"),
        help: "revert the change that forces the replacement; or give the resource another name as well; \
               or deploy the change as another stack"
            .to_owned(),
        source: NAMES,
    })
}

/// The values of the properties that are unique together for the type of a resource.
fn identity(resource: &ResourceDocument) -> Option<Vec<&Value>> {
    let unique = UNIQUE.iter().find(|(kind, _)| *kind == resource.kind);
    if let Some((_, properties)) = unique {
        let properties = properties.iter();
        return properties.map(|name| property(resource, name)).collect();
    }
    Some(vec![property(resource, name_property(&resource.kind)?)?])
}

/// A new resource with the name, or other unique properties, of a resource that the update deletes.
/// CloudFormation deletes last, so that both would exist.
fn taken_identity(
    id: &str,
    after: &ResourceDocument,
    old: &TemplateDocument,
    replaced: &BTreeSet<String>,
) -> Option<Refusal> {
    let wanted = identity(after)?;
    // A reference to a replaced resource has another value than before.
    let is_new = |value: &&Value| {
        let text = value.to_string();
        let mut replaced = replaced.iter();
        replaced.any(|id| text.contains(&format!("\"{id}\"")) || text.contains(&format!("${{{id}")))
    };
    if wanted.iter().any(is_new) {
        return None;
    }
    let others = old.resources.iter();
    let mut others = others.filter(|(other, it)| *other != id && it.kind == after.kind);
    let (other, _) = others.find(|(_, it)| {
        identity(it).is_some_and(|found| {
            let mut pairs = found.iter().zip(&wanted);
            pairs.all(|(one, other)| is_same(Some(one), Some(other)))
        })
    })?;
    let names: Vec<_> = wanted.iter().map(|value| inline(value)).collect();
    Some(Refusal {
        reason: format!(
            "{} is taken by {other} until the update has ended: CloudFormation deletes last",
            names.join(" ")
        ),
        help: format!(
            "keep the logical id {other}; or use another name; or remove {other} in one deployment, and \
             add this resource in the next"
        ),
        source: NAMES,
    })
}

fn protected(change: &ResourceChange, before: &ResourceDocument) -> Option<Refusal> {
    let is_protected = property(before, "DeletionProtectionEnabled").map(inline);
    let is_refused = change.kind == TABLE
        && change.fate == Some(Disposition::Deleted)
        && is_protected.as_deref() == Some("true");
    is_refused.then(|| Refusal {
        reason: "DynamoDB does not delete a table that is protected against deletion".to_owned(),
        help: "set DeletionProtectionEnabled to false and deploy, then remove the table; or keep it in the \
               account with DeletionPolicy: Retain"
            .to_owned(),
        source: PROTECTION,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::compare;

    fn found(old: Value, new: Value) -> Vec<String> {
        let template = |resources| {
            let sections = Map::from_iter([("Resources".to_owned(), resources)]);
            TemplateDocument::from_json(sections.into()).expect("a template")
        };
        let difference = compare(&template(old), &template(new));
        difference
            .refused()
            .flat_map(|change| {
                let reasons = change.refusals.iter();
                reasons.map(|it| format!("{}: {}", change.logical_id, it.reason))
            })
            .collect()
    }

    fn table(properties: Value) -> Value {
        let mut table = json!({ "T": { "Type": TABLE } });
        table["T"]["Properties"] = properties;
        table
    }

    fn index(name: &str, key: &str) -> Value {
        let key = json!([{ "AttributeName": key, "KeyType": "HASH" }]);
        json!({ "IndexName": name, "KeySchema": key, "Projection": { "ProjectionType": "ALL" } })
    }

    fn with_indexes(indexes: &[Value]) -> Value {
        table(json!({ "GlobalSecondaryIndexes": indexes }))
    }

    #[test]
    fn one_index_change_per_table_passes_and_two_are_refused() {
        let (a, b, c) = (index("a", "x"), index("b", "x"), index("c", "x"));
        for (old, new) in [
            (vec![], vec![a.clone()]),
            (vec![a.clone()], vec![]),
            (vec![a.clone(), b.clone()], vec![b.clone(), a.clone()]),
        ] {
            assert_eq!(found(with_indexes(&old), with_indexes(&new)), [""; 0]);
        }
        let prefix = "T: DynamoDB creates or deletes one global secondary index per update, and this \
                      update ";
        for (old, new, verbs) in [
            (vec![], vec![a.clone(), b.clone()], "creates a, b"),
            (vec![a.clone()], vec![b.clone()], "creates b and deletes a"),
            (vec![a.clone(), b, c.clone()], vec![c], "deletes a, b"),
        ] {
            let found = found(with_indexes(&old), with_indexes(&new));
            assert_eq!(found, [format!("{prefix}{verbs}")]);
        }
        let two_tables = |indexes: &[Value]| {
            let table = &with_indexes(indexes)["T"];
            json!({ "T": table, "U": table })
        };
        assert_eq!(found(two_tables(&[]), two_tables(&[a])), [""; 0]);
    }

    #[test]
    fn index_that_keeps_its_name_cannot_change_its_key() {
        let (old, new) = (index("a", "x"), index("a", "y"));
        assert_eq!(
            found(with_indexes(&[old]), with_indexes(&[new])),
            ["T: DynamoDB cannot change the KeySchema of the index a"]
        );
    }

    #[test]
    fn local_index_of_an_existing_table_is_refused() {
        let local = table(json!({ "LocalSecondaryIndexes": [index("l", "x")] }));
        let none = table(json!({ "LocalSecondaryIndexes": [] }));
        let refused =
            ["T: DynamoDB creates local secondary indexes only together with their table"];
        assert_eq!(found(none.clone(), local.clone()), refused);
        assert_eq!(found(local, table(json!({}))), refused);
        assert_eq!(found(none, table(json!({}))), [""; 0]);
    }

    #[test]
    fn time_to_live_changes_its_attribute_only_while_disabled() {
        let of = |attribute: &str, enabled: Value| {
            let specification = json!({ "AttributeName": attribute, "Enabled": enabled });
            table(json!({ "TimeToLiveSpecification": specification }))
        };
        assert_eq!(
            found(of("a", json!(true)), of("b", json!("true"))),
            [
                "T: DynamoDB cannot change the attribute for time to live, a to b, while it is enabled"
            ]
        );
        assert_eq!(
            found(of("a", json!(true)), table(json!({}))),
            ["T: DynamoDB disables time to live only by the name of its attribute, a"]
        );
        for (old, new) in [
            (of("a", json!(true)), of("a", json!(false))),
            (of("a", json!(false)), of("b", json!(true))),
            (table(json!({})), of("a", json!(true))),
        ] {
            assert_eq!(found(old, new), [""; 0]);
        }
    }

    #[test]
    fn new_resource_cannot_have_the_name_of_a_removed_one() {
        let queue = json!({ "Type": "AWS::SQS::Queue", "Properties": { "QueueName": "jobs" } });
        let taken =
            "New: jobs is taken by Old until the update has ended: CloudFormation deletes last";
        assert_eq!(
            found(json!({ "Old": queue }), json!({ "New": queue })),
            [taken]
        );
        let unnamed = json!({ "Type": "AWS::SQS::Queue" });
        assert_eq!(
            found(json!({ "Old": unnamed }), json!({ "New": unnamed })),
            [""; 0]
        );
    }

    #[test]
    fn route_with_another_logical_id_collides_unless_api_is_replaced() {
        let stack = |route: &str, protocol: &str| {
            let of_api = json!({ "ApiId": { "Ref": "Api" }, "RouteKey": "ping" });
            json!({
                "Api": { "Type": "AWS::ApiGatewayV2::Api", "Properties": { "ProtocolType": protocol } },
                route: { "Type": "AWS::ApiGatewayV2::Route", "Properties": of_api },
            })
        };
        let refused = found(stack("Old", "HTTP"), stack("New", "HTTP"));
        assert_eq!(
            refused,
            [
                "New: !Ref Api ping is taken by Old until the update has ended: CloudFormation deletes last"
            ]
        );
        assert_eq!(
            found(stack("Old", "HTTP"), stack("New", "WEBSOCKET")),
            [""; 0]
        );
    }

    #[test]
    fn replaced_table_that_keeps_its_name_is_refused() {
        let of = |key: &str, name: &str| {
            let schema = json!([{ "AttributeName": key, "KeyType": "HASH" }]);
            table(json!({ "TableName": name, "KeySchema": schema }))
        };
        assert_eq!(
            found(of("a", "jobs"), of("b", "jobs")),
            [
                "T: CloudFormation cannot replace a resource that keeps its name, and TableName stays"
            ]
        );
        assert_eq!(found(of("a", "jobs"), of("b", "tasks")), [""; 0]);
    }

    #[test]
    fn protected_table_can_be_removed_only_if_it_is_retained() {
        let mut old = table(json!({ "DeletionProtectionEnabled": true }));
        assert_eq!(
            found(old.clone(), json!({})),
            ["T: DynamoDB does not delete a table that is protected against deletion"]
        );
        old["T"]["DeletionPolicy"] = json!("Retain");
        assert_eq!(found(old, json!({})), [""; 0]);
    }
}
