//! A template with values for its parameters, and what a deployment reads from it.

use std::mem;

use indexmap::IndexMap;

use crate::{
    canonical::entries,
    document::{PROPERTIES, TemplateDocument},
};

impl TemplateDocument {
    /// The template with values in place of the references to its parameters, so that a comparison finds
    /// the effect of another value.
    #[must_use]
    pub fn with_values(mut self, values: &IndexMap<String, String>) -> Self {
        for resource in self.resources.values_mut() {
            resource.attributes = entries(mem::take(&mut resource.attributes), values);
        }
        for section in [&mut self.conditions, &mut self.outputs] {
            *section = entries(mem::take(section), values);
        }
        self
    }

    /// The default value of a parameter.
    pub fn default_of(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter)?.get("Default")?.as_str()
    }

    /// Whether the template has a resource whose type begins with `kind`.
    pub fn has_type(&self, kind: &str) -> bool {
        self.resources
            .values()
            .any(|resource| resource.kind.starts_with(kind))
    }

    /// Whether a resource whose type begins with `kind` has one of the properties.
    pub fn has_property(&self, kind: &str, properties: &[&str]) -> bool {
        self.resources
            .values()
            .filter(|resource| resource.kind.starts_with(kind))
            .filter_map(|resource| resource.attribute(PROPERTIES))
            .any(|found| properties.iter().any(|name| found.get(name).is_some()))
    }

    /// The logical id of every resource that stays in the account when the stack is deleted.
    pub fn retained(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().filter_map(|(id, resource)| {
            let policy = resource.attribute("DeletionPolicy")?.as_str()?;
            policy.starts_with("Retain").then_some(id.as_str())
        })
    }

    /// The architecture of the first Lambda function, `arm64` or `x86_64`.
    pub fn function_architecture(&self) -> Option<&str> {
        let functions = self.resources.values();
        let mut functions = functions.filter(|it| it.kind == "AWS::Lambda::Function");
        let architectures = functions
            .next()?
            .attribute(PROPERTIES)?
            .get("Architectures")?;
        architectures.get(0)?.as_str()
    }

    /// Whether a resource has a property.
    pub fn resource_has(&self, logical_id: &str, property: &str) -> bool {
        let resource = self.resources.get(logical_id);
        let properties = resource.and_then(|resource| resource.attribute(PROPERTIES));
        properties.is_some_and(|found| found.get(property).is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ChangeAction, compare};

    fn table() -> TemplateDocument {
        TemplateDocument::from_json(json!({
            "Parameters": { "Suffix": { "Type": "String", "Default": "-a" } },
            "Resources": {
                "Table": {
                    "Type": "AWS::DynamoDB::Table",
                    "DeletionPolicy": "Retain",
                    "Properties": { "TableName": { "Fn::Sub": "jobs${Suffix}" } },
                },
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": { "Policies": [
                        { "Fn::Sub": "arn:${AWS::Partition}:${Suffix}" },
                        { "Ref": "Suffix" },
                    ] },
                },
            },
        }))
        .expect("a template")
    }

    fn values(suffix: &str) -> IndexMap<String, String> {
        IndexMap::from([("Suffix".to_owned(), suffix.to_owned())])
    }

    #[test]
    fn another_parameter_value_is_a_difference() {
        let (old, new) = (
            table().with_values(&values("-a")),
            table().with_values(&values("-b")),
        );
        let difference = compare(&old, &new);
        assert_eq!(difference.resources[0].action, ChangeAction::Replaced);
        assert_eq!(
            difference.resources[0].changes[0].before,
            Some(json!("jobs-a"))
        );
        let expected = Some(json!({ "Fn::Sub": "arn:${AWS::Partition}:-b" }));
        assert!(
            difference.iam[0]
                .changes
                .iter()
                .any(|change| change.after == expected)
        );
        assert!(compare(&old, &table().with_values(&values("-a"))).is_empty());
    }

    #[test]
    fn defaults_and_retained_resources_are_read() {
        assert_eq!(table().default_of("Suffix"), Some("-a"));
        assert_eq!(table().default_of("Other"), None);
        assert_eq!(table().retained().collect::<Vec<_>>(), ["Table"]);
        assert!(table().resource_has("Table", "TableName"));
        assert!(!table().resource_has("Role", "RoleName"));
    }
}
