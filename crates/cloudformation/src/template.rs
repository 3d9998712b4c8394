//! A template while resources are added to it.
//!
//! Maps keep the order in which things were added, so the same code writes the same bytes.

use indexmap::{IndexMap, map::Entry};
use serde::Serialize;

use crate::{
    handle::Handle,
    intrinsics::Condition,
    names::{ConditionName, ConstructPath, LogicalId, OutputName, ParameterName},
    properties::{Properties, ResourceType},
    resource::{Attributes, Resource},
    sections::{Output, Parameter},
    untyped::{Overrides, Untyped, UntypedError},
};

/// A template, independent of the [`Format`](crate::Format) that it is written in.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    description: String,
    parameters: IndexMap<ParameterName, Parameter>,
    conditions: IndexMap<ConditionName, Condition>,
    resources: IndexMap<LogicalId, Resource>,
    outputs: IndexMap<OutputName, Output>,
}

/// Two parts of a template have the same name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NameCollision {
    /// Two resources.
    #[error("`{first}` and `{second}` both get the logical id {id}: rename one of the two")]
    LogicalId {
        /// The logical id that both paths give.
        id: LogicalId,
        /// The path of the resource that is in the template.
        first: ConstructPath,
        /// The path of the resource that was to be added.
        second: ConstructPath,
    },
    /// A resource and a parameter. `Ref` refers to either, so they share a namespace.
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
        /// `parameter`, `condition` or `output`.
        kind: &'static str,
        /// The name.
        name: String,
    },
}

impl Template {
    /// An empty template. `description` is shown in the console and limited to 1,024 bytes.
    pub fn new(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            parameters: IndexMap::new(),
            conditions: IndexMap::new(),
            resources: IndexMap::new(),
            outputs: IndexMap::new(),
        }
    }

    /// Adds a resource. Its logical id is made from `path`.
    pub fn add<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
        attributes: Attributes,
    ) -> Result<Handle<R>, NameCollision> {
        let id = self.insert(path, properties.into(), attributes)?;
        Ok(Handle::new(id))
    }

    /// Adds a resource that has no Rust type. Its logical id is made from `path`.
    pub fn add_untyped(
        &mut self,
        path: &ConstructPath,
        resource: Untyped,
        attributes: Attributes,
    ) -> Result<Handle<Untyped>, NameCollision> {
        let id = self.insert(path, resource.into(), attributes)?;
        Ok(Handle::new(id))
    }

    fn insert(
        &mut self,
        path: &ConstructPath,
        properties: Properties,
        attributes: Attributes,
    ) -> Result<LogicalId, NameCollision> {
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
                    properties,
                    overrides: Overrides::default(),
                    attributes,
                });
                Ok(id)
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

    /// The purpose of the stack.
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

    /// The resources of a type, in the order of the template.
    pub fn resources_of<R: ResourceType>(&self) -> impl Iterator<Item = (&LogicalId, &R)> {
        self.resources.iter().filter_map(|(id, resource)| {
            resource.properties.get().map(|properties| (id, properties))
        })
    }

    /// The properties and attributes of a resource, for changes. None if `handle` is another template's.
    pub fn resource_mut<R: ResourceType>(
        &mut self,
        handle: &Handle<R>,
    ) -> Option<(&mut R, &mut Attributes)> {
        let resource = self.resources.get_mut(handle.logical_id())?;
        let properties = resource.properties.get_mut()?;
        Some((properties, &mut resource.attributes))
    }

    /// Sets a property of a resource by its CloudFormation name, in place of the value of its Rust type if
    /// that has the property. The value is checked as that of an [`Untyped`] resource is.
    ///
    /// ```
    /// use cloudformation::{
    ///     Attributes, ConstructPath, Template,
    ///     resources::{Tags, logs::{LogGroup, RetentionDays}},
    /// };
    ///
    /// let mut template = Template::new("A log group");
    /// let logs = LogGroup {
    ///     retention_in_days: RetentionDays::OneWeek,
    ///     tags: Tags::new([]).list(),
    /// };
    /// let logs = template.add(&ConstructPath::root("logs"), logs, Attributes::default())?;
    /// template.override_property(&logs, "LogGroupClass", "INFREQUENT_ACCESS")?;
    /// let json = template.to_json(cloudformation::Format::CloudFormation)?;
    /// assert_eq!(json["Resources"]["Logs"]["Properties"]["LogGroupClass"], "INFREQUENT_ACCESS");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn override_property<R>(
        &mut self,
        handle: &Handle<R>,
        property: impl Into<String>,
        value: impl Serialize,
    ) -> Result<(), UntypedError> {
        let id = handle.logical_id();
        let Some(resource) = self.resources.get_mut(id) else {
            return Err(UntypedError::NoResource(id.clone()));
        };
        let type_name = resource.properties.type_name();
        resource.overrides.set(type_name, property.into(), value)
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
