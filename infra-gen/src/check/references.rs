//! Whether everything that is referred to is there, and nothing waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_yaml::Value;

use super::Finding;
use crate::template::{RenderError, Template, sub_references};

pub(super) fn findings(template: &Template) -> Result<Vec<Finding>, RenderError> {
    let mut findings = Vec::new();
    let mut graph = BTreeMap::new();
    for (id, resource) in template.resources() {
        let mut references = references(resource)?;
        let attributes = &resource.attributes;
        references.extend(attributes.depends_on.iter().map(ToString::to_string));
        for name in missing(template, &references) {
            findings.push(Finding::problem(
                &resource.path,
                format!("it refers to {name}, which is neither a resource nor a parameter"),
            ));
        }
        if let Some(condition) = &attributes.condition
            && !template.conditions().contains_key(condition)
        {
            findings.push(Finding::problem(
                &resource.path,
                format!(
                    "it depends on the condition {condition}, which the template does not have"
                ),
            ));
        }
        graph.insert(id.to_string(), references);
    }
    for (name, output) in template.outputs() {
        for missing in missing(template, &references(output)?) {
            findings.push(Finding::problem(
                format!("output {name}"),
                format!("it refers to {missing}, which is neither a resource nor a parameter"),
            ));
        }
    }
    if let Some(circle) = circle(&graph) {
        findings.push(Finding::problem(
            circle[0].clone(),
            format!(
                "CloudFormation cannot make it, as it waits for itself: {}",
                circle.join(" -> ")
            ),
        ));
    }
    Ok(findings)
}

fn missing<'a>(
    template: &'a Template,
    references: &'a BTreeSet<String>,
) -> impl Iterator<Item = &'a String> {
    references.iter().filter(|name| {
        let resource = template.resources().keys().any(|id| id.as_str() == *name);
        let parameter = template.parameters().keys().any(|id| id.as_str() == *name);
        !resource && !parameter
    })
}

/// The names of everything that a value refers to.
fn references(value: impl Serialize) -> Result<BTreeSet<String>, RenderError> {
    let mut found = BTreeSet::new();
    collect(&serde_yaml::to_value(value)?, &mut found);
    Ok(found)
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Tagged(tagged) => match (tagged.tag.to_string().as_str(), &tagged.value) {
            ("!Ref", Value::String(name)) => add(name, found),
            ("!Fn::Sub", Value::String(text)) => {
                sub_references(text).for_each(|reference| add(reference, found));
            }
            ("!Fn::GetAtt", Value::Sequence(path)) => {
                if let Some(name) = path.first().and_then(Value::as_str) {
                    add(name, found);
                }
            }
            (_, value) => collect(value, found),
        },
        Value::Sequence(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Mapping(entries) => entries.values().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// CloudFormation's own values are always there.
fn add(name: &str, found: &mut BTreeSet<String>) {
    if !name.starts_with("AWS::") {
        found.insert(name.to_owned());
    }
}

/// A way from a resource to itself, if there is one.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|start| visit(start, graph, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    name: &'a String,
    graph: &'a BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<&'a String>,
    done: &mut BTreeSet<&'a String>,
) -> Option<Vec<String>> {
    if let Some(position) = way.iter().position(|passed| *passed == name) {
        let circle = way[position..].iter().copied().chain([name]);
        return Some(circle.cloned().collect());
    }
    if !done.insert(name) {
        return None;
    }
    way.push(name);
    let found = graph
        .get(name)?
        .iter()
        .filter(|next| graph.contains_key(*next))
        .find_map(|next| visit(next, graph, way, done));
    way.pop();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        resources::{Tags, lambda::Permission, lambda::PermittedAction, sqs::Queue},
        template::{Attributes, ConstructPath, StringValue},
    };

    fn queue(name: StringValue) -> Queue {
        Queue {
            queue_name: name,
            visibility_timeout: None,
            message_retention_period: 60,
            redrive_policy: None,
            sqs_managed_sse_enabled: true,
            tags: Tags::new([]).list(),
        }
    }

    fn path(name: &str) -> ConstructPath {
        ConstructPath::root(name)
    }

    #[test]
    fn a_reference_to_what_is_not_there_is_found_in_every_intrinsic() {
        let mut template = Template::new("A stack.");
        let gone = path("gone").logical_id();
        let permission = Permission {
            action: PermittedAction::InvokeFunction,
            function_name: StringValue::GetAtt(gone, "Arn"),
            principal: "sqs.amazonaws.com",
            source_arn: StringValue::Sub(
                crate::template::Sub::default()
                    .then("arn:")
                    .then(StringValue::GetAtt(path("lost").logical_id(), "Arn")),
            ),
        };
        template
            .add(&path("permission"), permission, Attributes::default())
            .expect("a new name");
        let findings = findings(&template).expect("renders");
        let sentences: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "problem: permission: it refers to Gone, which is neither a resource nor a parameter",
                "problem: permission: it refers to Lost, which is neither a resource nor a parameter",
            ]
        );
    }

    #[test]
    fn resources_that_wait_for_each_other_are_named_in_their_order() {
        let mut template = Template::new("A stack.");
        for (name, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
            let other = path(other).logical_id();
            template
                .add(
                    &path(name),
                    queue(StringValue::GetAtt(other, "QueueName")),
                    Attributes::default(),
                )
                .expect("a new name");
        }
        let findings = findings(&template).expect("renders");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].sentence.ends_with("A -> B -> C -> A"));
    }
}
