//! The CloudFormation document model.
//!
//! Maps keep the order in which things were added, so the same code writes the same bytes.

mod intrinsics;
mod names;
mod render;
mod resource;

pub(crate) use intrinsics::sub;
#[cfg(feature = "cli")]
pub(crate) use intrinsics::sub_references;
pub use intrinsics::{Condition, If, Pseudo, RefTarget, StringValue, Sub};
pub use names::{ConditionName, ConstructPath, LogicalId, OutputName, ParameterName};
pub use render::{Document, Format, RenderError, UnknownFormat};
pub use resource::{Attributes, Handle, Metadata, RemovalPolicy, Resource};

use indexmap::{IndexMap, map::Entry};
use serde::Serialize;

use crate::resources::ResourceType;

/// A template, before it is written in one of the two formats.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    description: String,
    parameters: IndexMap<ParameterName, Parameter>,
    conditions: IndexMap<ConditionName, Condition>,
    resources: IndexMap<LogicalId, Resource>,
    outputs: IndexMap<OutputName, Output>,
}

/// A parameter of the template. Its value is a text.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Parameter {
    /// Always a text.
    #[serde(rename = "Type")]
    pub kind: ParameterType,
    /// What the parameter is for.
    pub description: String,
    /// Its value when none is given. Without it, one must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// A regular expression that the whole value must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<String>,
    /// What is said of a value that does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint_description: Option<String>,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ParameterType {
    /// A text.
    String,
}

/// An output of the stack.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    /// What it is.
    pub description: String,
    /// Its value.
    pub value: StringValue,
}

/// Two things of the template want the same name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameCollision {
    /// Two resources.
    #[error("`{first}` and `{second}` both get the logical id {id}: rename one of the two")]
    LogicalId {
        /// The name.
        id: LogicalId,
        /// Who had it.
        first: ConstructPath,
        /// Who wants it too.
        second: ConstructPath,
    },
    /// A resource and a parameter, which share `Ref`.
    #[error(
        "the parameter {parameter} has the name of the resource `{resource}`, and `Ref` could mean \
         either: rename one of the two"
    )]
    Parameter {
        /// The parameter.
        parameter: ParameterName,
        /// The resource.
        resource: ConstructPath,
    },
    /// Two parameters, two conditions or two outputs.
    #[error("there are two {kind}s called {name}: rename one of the two")]
    Section {
        /// What they are.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

impl Template {
    /// A template with nothing in it.
    pub fn new(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            parameters: IndexMap::new(),
            conditions: IndexMap::new(),
            resources: IndexMap::new(),
            outputs: IndexMap::new(),
        }
    }

    /// Adds a resource that stands at `path`.
    pub fn add<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
        attributes: Attributes,
    ) -> Result<Handle<R>, NameCollision> {
        let id = path.logical_id();
        if let Some(parameter) = self
            .parameters
            .keys()
            .find(|name| name.as_str() == id.as_str())
        {
            return Err(NameCollision::Parameter {
                parameter: parameter.clone(),
                resource: path.clone(),
            });
        }
        match self.resources.entry(id.clone()) {
            Entry::Occupied(first) => Err(NameCollision::LogicalId {
                id,
                first: first.get().path.clone(),
                second: path.clone(),
            }),
            Entry::Vacant(vacant) => {
                vacant.insert(Resource {
                    path: path.clone(),
                    properties: properties.into(),
                    attributes,
                });
                Ok(Handle::new(id))
            }
        }
    }

    /// Adds a parameter.
    pub fn add_parameter(
        &mut self,
        name: ParameterName,
        parameter: Parameter,
    ) -> Result<(), NameCollision> {
        if let Some(resource) = self
            .resources
            .iter()
            .find(|(id, _)| id.as_str() == name.as_str())
        {
            return Err(NameCollision::Parameter {
                parameter: name,
                resource: resource.1.path.clone(),
            });
        }
        insert_new("parameter", &mut self.parameters, name, parameter)
    }

    /// Adds a condition.
    pub fn add_condition(
        &mut self,
        name: ConditionName,
        condition: Condition,
    ) -> Result<(), NameCollision> {
        insert_new("condition", &mut self.conditions, name, condition)
    }

    /// Adds an output.
    pub fn add_output(&mut self, name: OutputName, output: Output) -> Result<(), NameCollision> {
        insert_new("output", &mut self.outputs, name, output)
    }

    /// What the template is, in a sentence.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The parameters, in the order of the template.
    pub fn parameters(&self) -> &IndexMap<ParameterName, Parameter> {
        &self.parameters
    }

    /// The conditions, in the order of the template.
    pub fn conditions(&self) -> &IndexMap<ConditionName, Condition> {
        &self.conditions
    }

    /// The resources, in the order of the template.
    pub fn resources(&self) -> &IndexMap<LogicalId, Resource> {
        &self.resources
    }

    /// The resources of one type.
    pub fn resources_of<R: ResourceType>(&self) -> impl Iterator<Item = (&LogicalId, &R)> {
        self.resources
            .iter()
            .filter_map(|(id, resource)| R::from_properties(&resource.properties).map(|r| (id, r)))
    }

    /// A resource of the template, to be changed: its properties and its attributes.
    pub fn resource_mut<R: ResourceType>(
        &mut self,
        handle: &Handle<R>,
    ) -> Option<(&mut R, &mut Attributes)> {
        let resource = self.resources.get_mut(handle.logical_id())?;
        let properties = R::from_properties_mut(&mut resource.properties)?;
        Some((properties, &mut resource.attributes))
    }

    /// The outputs, in the order of the template.
    pub fn outputs(&self) -> &IndexMap<OutputName, Output> {
        &self.outputs
    }
}

fn insert_new<K: std::hash::Hash + Eq + std::fmt::Display, V>(
    kind: &'static str,
    section: &mut IndexMap<K, V>,
    name: K,
    value: V,
) -> Result<(), NameCollision> {
    match section.entry(name) {
        Entry::Occupied(first) => Err(NameCollision::Section {
            kind,
            name: first.key().to_string(),
        }),
        Entry::Vacant(vacant) => {
            vacant.insert(value);
            Ok(())
        }
    }
}
