//! Comparisons of whole templates.

use serde_json::{Map, Value, json};

use super::*;

fn template(resources: Value) -> TemplateDocument {
    let sections = Map::from_iter([("Resources".to_owned(), resources)]);
    TemplateDocument::from_json(sections.into()).expect("a template")
}

fn difference(old: Value, new: Value) -> Difference {
    compare(&template(old), &template(new))
}

fn queue(properties: Value) -> Value {
    let mut queue = json!({ "Type": "AWS::SQS::Queue" });
    queue["Properties"] = properties;
    queue
}

/// Each resource with its mark and the causes of its replacement.
fn marks(changes: &[ResourceChange]) -> Vec<String> {
    changes
        .iter()
        .map(|change| {
            let names: Vec<_> = change.causes.iter().map(ToString::to_string).collect();
            let line = format!(
                "{} {} {}",
                change.action.sign(),
                change.logical_id,
                names.join(", ")
            );
            line.trim_end().to_owned()
        })
        .collect()
}

#[test]
fn order_of_resources_is_not_a_difference() {
    let (one, other) = (queue(json!({ "QueueName": "a" })), queue(json!({})));
    let found = difference(
        json!({ "A": one, "B": other }),
        json!({ "B": other, "A": one }),
    );
    assert_eq!(found, Difference::default());
    assert_eq!(found.to_string(), "");
}

#[test]
fn resource_of_the_new_template_is_added() {
    let found = difference(json!({}), json!({ "A": queue(json!({})) }));
    assert_eq!(marks(&found.resources), ["+ A"]);
}

#[test]
fn removed_resource_is_deleted_or_kept_by_its_policy() {
    let mut kept = queue(json!({}));
    kept["DeletionPolicy"] = json!("Retain");
    let found = difference(json!({ "A": queue(json!({})), "B": kept }), json!({}));
    assert_eq!(marks(&found.resources), ["- A", "- B"]);
    let fates: Vec<_> = found.resources.iter().map(|change| change.fate).collect();
    assert_eq!(fates, [Some(Disposition::Deleted), Some(Disposition::Kept)]);
}

#[test]
fn mutable_property_updates_its_resource_in_place() {
    let found = difference(
        json!({ "A": queue(json!({ "VisibilityTimeout": 30, "DelaySeconds": 1 })) }),
        json!({ "A": queue(json!({ "VisibilityTimeout": 60, "DelaySeconds": "1" })) }),
    );
    assert_eq!(
        found.to_string(),
        "Resources\n  ~ A (AWS::SQS::Queue)\n      ~ VisibilityTimeout: 30 -> 60\n\n\
         resources: 0 added, 1 changed, 0 replaced, 0 removed; 0 of them IAM; other changes: 0\n"
    );
}

#[test]
fn immutable_property_replaces_its_resource_with_a_source() {
    let mut new = queue(json!({ "QueueName": "b" }));
    new["UpdateReplacePolicy"] = json!("Retain");
    let found = difference(
        json!({ "A": queue(json!({ "QueueName": "a" })) }),
        json!({ "A": new }),
    );
    assert_eq!(marks(&found.resources), ["-/+ A QueueName"]);
    let change = &found.resources[0];
    assert_eq!(change.fate, Some(Disposition::Kept));
    assert!(
        change.causes[0]
            .source
            .ends_with("aws-resource-sqs-queue.html")
    );
}

#[test]
fn new_logical_id_is_a_removal_and_an_addition() {
    let same = queue(json!({ "QueueName": "a" }));
    let found = difference(json!({ "Old": same }), json!({ "New": same }));
    assert_eq!(marks(&found.resources), ["+ New", "- Old"]);
}

#[test]
fn replacement_follows_references_to_a_replaced_resource() {
    let stack = |protocol| {
        let stage = json!({ "ApiId": { "Ref": "Api" }, "StageName": "live" });
        let url = json!({ "Fn::Sub": "https://${Api}.example.com" });
        json!({
            "Api": { "Type": "AWS::ApiGatewayV2::Api", "Properties": { "ProtocolType": protocol } },
            "Stage": { "Type": "AWS::ApiGatewayV2::Stage", "Properties": stage },
            "Mapping": {
                "Type": "AWS::ApiGatewayV2::ApiMapping",
                "Properties": { "Stage": { "Ref": "Stage" } },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": { "Environment": { "Variables": { "URL": url } } },
            },
            "Other": queue(json!({})),
        })
    };
    let found = difference(stack("HTTP"), stack("WEBSOCKET"));
    assert_eq!(
        marks(&found.resources),
        [
            "-/+ Api ProtocolType",
            "-/+ Stage ApiId (Api is replaced)",
            "~ Mapping",
            "~ Function",
        ]
    );
    let text = found.to_string();
    assert!(
        text.contains("~ Environment.Variables.URL: it refers to Api"),
        "{text}"
    );
    assert!(text.contains("~ Stage: it refers to Stage"), "{text}");
}

#[test]
fn reference_to_a_replaced_resource_is_listed_once() {
    let stack = |name, more: &[&str]| {
        let statement = |sid: &&str| json!({ "Sid": sid, "Resource": [{ "Ref": "Queue" }] });
        let statements: Vec<_> = ["Send"].iter().chain(more).map(statement).collect();
        let policy =
            json!([{ "PolicyName": "grants", "PolicyDocument": { "Statement": statements } }]);
        let mut role = json!({ "Type": "AWS::IAM::Role", "Properties": { "Policies": policy } });
        role["DeletionPolicy"] = json!(if more.is_empty() { "Delete" } else { "Retain" });
        json!({ "Queue": queue(json!({ "QueueName": name })), "Role": role })
    };
    let found = difference(stack("a", &[]), stack("b", &["Receive"]));
    let changes: Vec<_> = found.iam[0]
        .changes
        .iter()
        .map(|change| format!("{} {}", change.attribute, change.path))
        .collect();
    assert_eq!(
        changes,
        [
            "Properties Policies[grants].PolicyDocument.Statement[Receive]",
            "DeletionPolicy ",
            "Properties Policies[grants].PolicyDocument.Statement[Send].Resource",
        ]
    );
}

#[test]
fn circular_references_are_replaced_once() {
    let stack = |name| {
        let permission = |other: &str| {
            json!({ "Type": "AWS::Lambda::Permission", "Properties": {
                "SourceArn": { "Ref": other }, "Action": name,
            } })
        };
        json!({ "A": permission("B"), "B": permission("A") })
    };
    let found = difference(stack("x"), stack("y"));
    assert_eq!(found.summary().replaced, 2);
}

#[test]
fn order_counts_unless_the_registry_says_otherwise() {
    let instance = |property: &str, items: [&str; 2]| {
        let mut instance = json!({ "A": { "Type": "AWS::EC2::Instance", "Properties": {} } });
        instance["A"]["Properties"][property] = json!(items);
        instance
    };
    for (property, is_ordered) in [("SecurityGroupIds", false), ("Other", true)] {
        let found = difference(
            instance(property, ["a", "b"]),
            instance(property, ["b", "a"]),
        );
        assert_eq!(found.is_empty(), !is_ordered, "{property}");
    }
    let interfaces = |groups: [&str; 2]| {
        json!({ "A": { "Type": "AWS::EC2::Instance", "Properties": {
            "NetworkInterfaces": [{ "GroupSet": groups, "DeviceIndex": "0" }],
        } } })
    };
    assert!(difference(interfaces(["a", "b"]), interfaces(["b", "a"])).is_empty());
}

#[test]
fn other_type_is_a_replacement() {
    let topic = json!({ "Type": "AWS::SNS::Topic", "Properties": {} });
    let found = difference(json!({ "A": queue(json!({})) }), json!({ "A": topic }));
    assert_eq!(
        marks(&found.resources),
        ["-/+ A Type (it was AWS::SQS::Queue)"]
    );
}

#[test]
fn type_without_rules_may_be_replaced() {
    let topic =
        |name| json!({ "A": { "Type": "Custom::Topic", "Properties": { "TopicName": name } } });
    let found = difference(topic("a"), topic("b"));
    assert_eq!(marks(&found.resources), ["~ A"]);
    assert!(found.resources[0].replacement_unknown);
    assert!(found.to_string().contains("is not known here"));
}

#[test]
fn permissions_come_first_and_in_full() {
    let role = |action: &str| {
        let statement = json!([{ "Sid": "Jobs", "Effect": "Allow", "Action": ["a:Get", action] }]);
        let policy =
            json!([{ "PolicyName": "grants", "PolicyDocument": { "Statement": statement } }]);
        json!({ "Type": "AWS::IAM::Role", "Properties": { "Policies": policy } })
    };
    let permission = json!({
        "Type": "AWS::Lambda::Permission",
        "Properties": { "Principal": "apigateway.amazonaws.com" },
    });
    let found = difference(
        json!({ "Queue": queue(json!({ "DelaySeconds": 1 })), "Role": role("a:Put") }),
        json!({
            "Queue": queue(json!({ "DelaySeconds": 2 })),
            "Permission": permission,
            "Role": role("a:Delete"),
        }),
    );
    let text = found.to_string();
    assert_eq!(
        text,
        "IAM\n  + Permission (AWS::Lambda::Permission)\n      \
         + Principal: apigateway.amazonaws.com\n  ~ Role (AWS::IAM::Role)\n      \
         - Policies[grants].PolicyDocument.Statement[Jobs].Action: a:Put\n      \
         + Policies[grants].PolicyDocument.Statement[Jobs].Action: a:Delete\nResources\n  \
         ~ Queue (AWS::SQS::Queue)\n      ~ DelaySeconds: 1 -> 2\n\n\
         resources: 1 added, 2 changed, 0 replaced, 0 removed; 2 of them IAM; other changes: 0\n"
    );
}

#[test]
fn parameters_conditions_and_outputs_are_compared() {
    let old =
        json!({ "Resources": {}, "Parameters": { "A": {} }, "Outputs": { "C": { "Value": 1 } } });
    let new =
        json!({ "Resources": {}, "Conditions": { "B": true }, "Outputs": { "C": { "Value": 2 } } });
    let read = |value| TemplateDocument::from_json(value).expect("a template");
    let found = compare(&read(old), &read(new));
    let settings: Vec<_> = found
        .settings
        .iter()
        .map(|change| {
            format!(
                "{:?} {} {}",
                change.section,
                change.action.sign(),
                change.name
            )
        })
        .collect();
    assert_eq!(
        settings,
        ["Parameters - A", "Conditions + B", "Outputs ~ C"]
    );
}
