//! The assertions about one template.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::{
    matching::{Mismatch, mismatches},
    snapshot,
};
use crate::{Format, RenderError, Template};

/// A template whose resources and outputs a test checks. See [the module](super).
#[derive(Clone, Debug)]
pub struct TemplateAssertions {
    template: Value,
    yaml: String,
}

impl TemplateAssertions {
    /// The assertions about a template, written as plain CloudFormation.
    pub fn of(template: &Template) -> Result<Self, RenderError> {
        Ok(Self {
            template: template.to_json(Format::CloudFormation)?,
            yaml: template.render(Format::CloudFormation).to_yaml()?,
        })
    }

    fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        let section = self.template.get(name).and_then(Value::as_object);
        section.into_iter().flat_map(Map::iter)
    }

    fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.section("Resources")
            .filter(move |(_, resource)| resource["Type"] == kind)
    }

    /// The resources of a type whose properties match, by logical id: each with `Type`, `Properties` and its
    /// attributes.
    pub fn find_resources(&self, kind: &str, properties: &Value) -> BTreeMap<String, Value> {
        self.resources(kind)
            .filter(|(_, resource)| {
                mismatches("", Some(&resource["Properties"]), properties).is_empty()
            })
            .map(|(id, resource)| (id.clone(), resource.clone()))
            .collect()
    }

    /// Requires that the template has `count` resources of a type such as `AWS::SQS::Queue`.
    ///
    /// # Panics
    ///
    /// If it has more or fewer. The message has their logical ids.
    #[track_caller]
    pub fn resource_count_is(&self, kind: &str, count: usize) {
        let ids: Vec<_> = self.resources(kind).map(|(id, _)| id.as_str()).collect();
        assert!(
            ids.len() == count,
            "expected {count} resources of the type {kind}, found {}: {}",
            ids.len(),
            ids.join(", ")
        );
    }

    /// Requires that a resource of a type has these properties, and possibly others.
    ///
    /// # Panics
    ///
    /// If none has. The message has the differences of the closest resource.
    #[track_caller]
    pub fn has_resource_properties(&self, kind: &str, properties: impl Into<Value>) {
        self.some_matches(
            kind,
            self.resources(kind)
                .map(|(id, resource)| (id, &resource["Properties"])),
            &properties.into(),
        );
    }

    /// Requires that a resource of a type matches, with attributes such as `DeletionPolicy` beside its
    /// `Properties`.
    ///
    /// # Panics
    ///
    /// If none does. The message has the differences of the closest resource.
    #[track_caller]
    pub fn has_resource(&self, kind: &str, resource: impl Into<Value>) {
        self.some_matches(kind, self.resources(kind), &resource.into());
    }

    /// Requires that every resource of a type has these properties. At least one resource must exist.
    ///
    /// # Panics
    ///
    /// If one has not, or if the template has no resource of the type.
    #[track_caller]
    pub fn all_resources_have_properties(&self, kind: &str, properties: impl Into<Value>) {
        let properties = properties.into();
        let mut count = 0;
        for (id, resource) in self.resources(kind) {
            count += 1;
            let found = mismatches("", Some(&resource["Properties"]), &properties);
            assert!(
                found.is_empty(),
                "the resource {id} of the type {kind} differs:\n{}",
                lines(&found)
            );
        }
        assert!(count > 0, "{}", self.no_resource(kind));
    }

    /// Requires that the template has an output with this name that matches: `{"Value": ...}`.
    ///
    /// # Panics
    ///
    /// If it has none, or if the output does not match.
    #[track_caller]
    pub fn has_output(&self, name: &str, output: impl Into<Value>) {
        let actual = self.section("Outputs").find(|(known, _)| *known == name);
        let Some((_, actual)) = actual else {
            let known: Vec<_> = self.section("Outputs").map(|(known, _)| &**known).collect();
            panic!(
                "the template has no output {name}; it has {}",
                known.join(", ")
            );
        };
        let found = mismatches("", Some(actual), &output.into());
        assert!(
            found.is_empty(),
            "the output {name} differs:\n{}",
            lines(&found)
        );
    }

    /// Requires that the template's YAML is that of the file at `path`. With the environment variable
    /// `UPDATE` set to `1`, writes the file instead.
    ///
    /// # Panics
    ///
    /// If the file differs, is missing or cannot be written. The message has the difference.
    #[track_caller]
    pub fn matches_snapshot(&self, path: impl AsRef<Path>) {
        if let Err(problem) = snapshot::compare(path.as_ref(), &self.yaml) {
            panic!("{problem}");
        }
    }

    #[track_caller]
    fn some_matches<'a>(
        &self,
        kind: &str,
        candidates: impl Iterator<Item = (&'a String, &'a Value)>,
        expected: &Value,
    ) {
        let mut closest: Option<(&String, Vec<Mismatch>)> = None;
        for (id, actual) in candidates {
            let found = mismatches("", Some(actual), expected);
            if found.is_empty() {
                return;
            }
            if closest
                .as_ref()
                .is_none_or(|(_, least)| found.len() < least.len())
            {
                closest = Some((id, found));
            }
        }
        match closest {
            Some((id, found)) => panic!(
                "no resource of the type {kind} matches; the closest is {id}:\n{}",
                lines(&found)
            ),
            None => panic!("{}", self.no_resource(kind)),
        }
    }

    fn no_resource(&self, kind: &str) -> String {
        let mut kinds: Vec<_> = self
            .section("Resources")
            .filter_map(|(_, resource)| resource["Type"].as_str())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        format!(
            "the template has no resource of the type {kind}; it has {}",
            kinds.join(", ")
        )
    }
}

fn lines(mismatches: &[Mismatch]) -> String {
    let lines: Vec<_> = mismatches.iter().map(|it| format!("  {it}")).collect();
    lines.join("\n")
}
