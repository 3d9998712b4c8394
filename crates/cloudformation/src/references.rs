//! Checks that every reference has a target and that no resource depends on itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;
use serde_yaml::Value;

use crate::{
    error::RenderError,
    intrinsics::sub_references,
    names::{ConditionName, ConstructPath, LogicalId, OutputName},
    template::Template,
};

/// A reference that CloudFormation would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferenceError {
    /// The template has neither a resource nor a parameter of the name.
    Target {
        /// What refers to it.
        from: Referrer,
        /// The name.
        name: String,
    },
    /// The name is a parameter's, but the reference needs a resource: a `Fn::GetAtt`, or a `DependsOn`.
    NoResource {
        /// What refers to it.
        from: Referrer,
        /// The name.
        name: String,
    },
    /// The template does not have the condition.
    Condition {
        /// What depends on it.
        from: Referrer,
        /// The condition's name.
        name: String,
    },
    /// The resources wait for each other.
    Circle {
        /// Their logical ids, each referring to the next. The first is also the last.
        ids: Vec<LogicalId>,
    },
}

/// The part of a template that has a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Referrer {
    /// A resource.
    Resource(ConstructPath),
    /// An output.
    Output(OutputName),
    /// A condition.
    Condition(ConditionName),
}

impl fmt::Display for Referrer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(path) => path.fmt(formatter),
            Self::Output(name) => write!(formatter, "output {name}"),
            Self::Condition(name) => write!(formatter, "condition {name}"),
        }
    }
}

impl ReferenceError {
    /// What has the invalid reference, as an error message names it.
    pub fn subject(&self) -> String {
        match self {
            Self::Target { from, .. }
            | Self::NoResource { from, .. }
            | Self::Condition { from, .. } => from.to_string(),
            Self::Circle { ids } => ids.first().map_or(String::new(), ToString::to_string),
        }
    }

    /// What is wrong, in a sentence about the subject.
    pub fn problem(&self) -> String {
        match self {
            Self::Target { name, .. } => {
                format!("it refers to {name}, which is neither a resource nor a parameter")
            }
            Self::NoResource { name, .. } => {
                format!("it refers to {name} as a resource, which is a parameter")
            }
            Self::Condition { name, .. } => {
                format!("it depends on the condition {name}, which the template does not have")
            }
            Self::Circle { ids } => {
                let ids: Vec<_> = ids.iter().map(LogicalId::as_str).collect();
                format!(
                    "CloudFormation cannot create it, because it waits for itself: {}",
                    ids.join(" -> ")
                )
            }
        }
    }
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.subject(), self.problem())
    }
}

impl std::error::Error for ReferenceError {}

impl Template {
    /// Every reference that CloudFormation would refuse: of typed and untyped resources, outputs and
    /// conditions. Empty if there is none.
    pub fn check_references(&self) -> Result<Vec<ReferenceError>, RenderError> {
        let mut errors = Vec::new();
        let mut graph = Graph::new();
        for (id, resource) in self.resources() {
            let mut references = References::of(resource)?;
            let attributes = &resource.attributes;
            references
                .resources
                .extend(attributes.depends_on.iter().map(ToString::to_string));
            let condition = attributes.condition.iter().map(ToString::to_string);
            references.conditions.extend(condition);
            self.check(
                &Referrer::Resource(resource.path.clone()),
                &references,
                &mut errors,
            );
            let mut targets = references.targets;
            targets.append(&mut references.resources);
            let is_resource = |name: &str| self.resources().keys().find(|id| id.as_str() == name);
            graph.insert(
                id,
                targets
                    .iter()
                    .filter_map(|name| is_resource(name))
                    .collect(),
            );
        }
        for (name, condition) in self.conditions() {
            let from = Referrer::Condition(name.clone());
            self.check(&from, &References::of(condition)?, &mut errors);
        }
        for (name, output) in self.outputs() {
            let from = Referrer::Output(name.clone());
            self.check(&from, &References::of(output)?, &mut errors);
        }
        errors.extend(circle(&graph).map(|ids| ReferenceError::Circle { ids }));
        Ok(errors)
    }

    fn check(&self, from: &Referrer, references: &References, errors: &mut Vec<ReferenceError>) {
        let is_resource = |name: &str| self.resources().keys().any(|id| id.as_str() == name);
        let is_parameter = |name: &str| self.parameters().keys().any(|id| id.as_str() == name);
        let is_condition = |name: &str| self.conditions().keys().any(|id| id.as_str() == name);
        let mut names: Vec<_> = references
            .targets
            .iter()
            .map(|name| (name, false))
            .collect();
        names.extend(references.resources.iter().map(|name| (name, true)));
        names.sort();
        names.dedup_by_key(|(name, _)| *name);
        for (name, _) in names {
            let (from, name) = (from.clone(), name.clone());
            if !is_resource(&name) && !is_parameter(&name) {
                errors.push(ReferenceError::Target { from, name });
            } else if references.resources.contains(&name) && !is_resource(&name) {
                errors.push(ReferenceError::NoResource { from, name });
            }
        }
        for name in &references.conditions {
            if !is_condition(name) {
                let (from, name) = (from.clone(), name.clone());
                errors.push(ReferenceError::Condition { from, name });
            }
        }
    }
}

/// The names that a part of a template refers to, by the kind of reference.
#[derive(Default)]
struct References {
    /// Resources or parameters: `Ref`, and `${Name}` in `Fn::Sub`.
    targets: BTreeSet<String>,
    /// Resources: `Fn::GetAtt` and `DependsOn`.
    resources: BTreeSet<String>,
    /// Conditions: `Fn::If`.
    conditions: BTreeSet<String>,
}

impl References {
    fn of(value: impl Serialize) -> Result<Self, RenderError> {
        let mut found = Self::default();
        found.collect(&serde_yaml::to_value(value)?);
        Ok(found)
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Tagged(tagged) => self.call(&tagged.tag.to_string(), &tagged.value),
            Value::Sequence(items) => self.collect_all(items),
            Value::Mapping(entries) => entries.values().for_each(|value| self.collect(value)),
            _ => {}
        }
    }

    fn collect_all(&mut self, values: &[Value]) {
        for value in values {
            self.collect(value);
        }
    }

    fn call(&mut self, function: &str, argument: &Value) {
        match (function, argument) {
            ("!Ref", Value::String(name)) => self.target(name),
            ("!Fn::Sub", Value::String(text)) => {
                sub_references(text).for_each(|it| self.target(it));
            }
            ("!Fn::Sub", Value::Sequence(arguments)) => {
                if let [Value::String(text), variables] = &arguments[..] {
                    let is_variable = |name: &str| variables.get(name).is_some();
                    sub_references(text)
                        .filter(|name| !is_variable(name))
                        .for_each(|name| self.target(name));
                    self.collect(variables);
                }
            }
            ("!Fn::GetAtt", Value::Sequence(path)) => {
                let resource = path.first().and_then(Value::as_str);
                self.resources.extend(resource.map(str::to_owned));
                self.collect_all(path.get(1..).unwrap_or_default());
            }
            ("!Fn::If", Value::Sequence(arguments)) => {
                let condition = arguments.first().and_then(Value::as_str);
                self.conditions.extend(condition.map(str::to_owned));
                self.collect_all(arguments);
            }
            (_, argument) => self.collect(argument),
        }
    }

    /// Pseudo parameters are in every template.
    fn target(&mut self, name: &str) {
        if !name.starts_with("AWS::") {
            self.targets.insert(name.to_owned());
        }
    }
}

/// By resource, the resources that it refers to.
type Graph<'a> = BTreeMap<&'a LogicalId, BTreeSet<&'a LogicalId>>;

/// A path from a resource to itself, if there is one.
fn circle(graph: &Graph) -> Option<Vec<LogicalId>> {
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|start| visit(start, graph, &mut Vec::new(), &mut done))
}

fn visit<'a>(
    id: &'a LogicalId,
    graph: &Graph<'a>,
    path: &mut Vec<&'a LogicalId>,
    done: &mut BTreeSet<&'a LogicalId>,
) -> Option<Vec<LogicalId>> {
    if let Some(position) = path.iter().position(|passed| *passed == id) {
        let circle = path[position..].iter().copied().chain([id]);
        return Some(circle.cloned().collect());
    }
    if !done.insert(id) {
        return None;
    }
    path.push(id);
    let found = graph
        .get(id)?
        .iter()
        .find_map(|next| visit(next, graph, path, done));
    path.pop();
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Attributes, Output, Parameter, ParameterType, StringValue, Untyped, names::ParameterName,
        sub,
    };

    fn id(name: &str) -> LogicalId {
        ConstructPath::root(name).logical_id()
    }

    fn template(resources: &[(&str, serde_json::Value)]) -> Template {
        let mut template = Template::new("A stack");
        for (name, properties) in resources {
            let resource = Untyped::new("AWS::SNS::Topic", properties).expect("properties");
            template
                .add_untyped(&ConstructPath::root(name), resource, Attributes::default())
                .expect("a new name");
        }
        template
    }

    fn errors(template: &Template) -> Vec<String> {
        let errors = template.check_references().expect("serializes");
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn missing_target_is_found_in_every_intrinsic() {
        let mut template = template(&[(
            "topic",
            json!({
                "A": { "Fn::Sub": ["${known}${!Literal}${AWS::Region}${A1}", { "known": { "Ref": "B2" } }] },
                "B": sub!["arn:", StringValue::GetAtt(id("c3"), "Arn".into())],
                "C": [{ "Fn::Join": ["", [{ "Fn::GetAtt": ["D4", "Arn"] }]] }],
                "D": { "Fn::If": ["E5", 1, { "Ref": "Topic" }] },
            }),
        )]);
        let path = ConstructPath::root("other");
        let attributes = Attributes {
            condition: Some(ConditionName::new("f6")),
            depends_on: vec![id("g7")],
            ..Attributes::default()
        };
        let other = Untyped::new("AWS::SNS::Topic", json!({})).expect("properties");
        template
            .add_untyped(&path, other, attributes)
            .expect("a new name");
        let output = Output {
            description: "An output".to_owned(),
            value: StringValue::GetAtt(id("h8"), "Arn".into()),
        };
        template
            .add_output(OutputName::new("out"), output)
            .expect("a new name");
        let neither = "which is neither a resource nor a parameter";
        assert_eq!(
            errors(&template),
            [
                format!("topic: it refers to A1, {neither}"),
                format!("topic: it refers to B2, {neither}"),
                format!("topic: it refers to C3, {neither}"),
                format!("topic: it refers to D4, {neither}"),
                "topic: it depends on the condition E5, which the template does not have".to_owned(),
                format!("other: it refers to G7, {neither}"),
                "other: it depends on the condition F6, which the template does not have".to_owned(),
                format!("output Out: it refers to H8, {neither}"),
                "Topic: CloudFormation cannot create it, because it waits for itself: Topic -> Topic"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn attribute_of_a_parameter_is_refused() {
        let mut template = template(&[(
            "topic",
            json!({ "A": { "Ref": "Stage" }, "B": { "Fn::GetAtt": ["Stage", "Arn"] } }),
        )]);
        let parameter = Parameter {
            kind: ParameterType::String,
            description: "A stage".to_owned(),
            default: None,
            allowed_pattern: None,
            constraint_description: None,
        };
        template
            .add_parameter(ParameterName::new("stage"), parameter)
            .expect("a new name");
        assert_eq!(
            errors(&template),
            ["topic: it refers to Stage as a resource, which is a parameter"]
        );
    }

    #[test]
    fn reference_in_an_overridden_property_is_checked() {
        let mut template = Template::new("A stack");
        let path = ConstructPath::root("topic");
        let topic = Untyped::new("AWS::SNS::Topic", json!({ "A": { "Ref": "Gone" }, "B": 1 }));
        let topic = template
            .add_untyped(&path, topic.expect("properties"), Attributes::default())
            .expect("a new name");
        template
            .override_property(&topic, "A", json!([{ "Ref": "Lost" }]))
            .expect("a value");
        assert_eq!(
            errors(&template),
            ["topic: it refers to Lost, which is neither a resource nor a parameter"]
        );
        let json = template
            .to_json(crate::Format::CloudFormation)
            .expect("JSON");
        assert_eq!(
            json["Resources"]["Topic"]["Properties"],
            json!({ "A": [{ "Ref": "Lost" }], "B": 1 })
        );
        let error = template.override_property(&topic, "C", json!({ "D": { "Fn::Sbu": "" } }));
        let error = error.expect_err("no such function").to_string();
        assert!(
            error.contains("the property C.D of the AWS::SNS::Topic"),
            "{error}"
        );
    }

    #[test]
    fn circle_of_resources_is_reported_in_its_order() {
        let wait_for = |name| json!({ "A": { "Ref": name } });
        let template = template(&[
            ("a", wait_for("B")),
            ("b", wait_for("C")),
            ("c", wait_for("A")),
            ("d", wait_for("A")),
        ]);
        assert_eq!(
            errors(&template),
            ["A: CloudFormation cannot create it, because it waits for itself: A -> B -> C -> A"]
        );
    }
}
