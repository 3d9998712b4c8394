//! The stack that constructs add their resources to.

use std::collections::BTreeSet;

use cloudformation::{
    Attributes, Condition, ConditionName, ConstructPath, Handle, Output, OutputName, Parameter,
    ParameterName, ParameterType, RemovalPolicy, ResourceType, StringValue, Template,
    resources::Tags, sub,
};

use crate::{
    error::SynthError,
    settings::{DataPolicy, NameSuffix, StackSettings},
};

/// The parameter with the suffix of the names of tables and queues.
pub const NAME_SUFFIX: &str = "NameSuffix";

/// A stack, to which constructs add their resources.
///
/// Resources that no construct covers are added by their paths, with the stack's tags:
///
/// ```
/// use cloudformation::{ConstructPath, resources::logs::LogGroup};
/// use constructs::{Stack, settings::StackSettings};
///
/// let mut stack = Stack::new("Audit logs", StackSettings::default())?;
/// let logs = LogGroup {
///     retention_in_days: stack.settings().log_retention,
///     tags: stack.tags().list(),
/// };
/// let logs = stack.add_data(&ConstructPath::root("audit").child("Logs"), logs)?;
/// stack.add_output("AuditLogs", "The log group of the audit", logs.name())?;
/// assert_eq!(stack.into_template().resources().len(), 1);
/// # Ok::<(), constructs::SynthError>(())
/// ```
#[derive(Debug)]
pub struct Stack {
    settings: StackSettings,
    name_suffix: ParameterName,
    template: Template,
    /// Origins besides those of the settings.
    origins: Vec<StringValue>,
    /// API and key of every route.
    routes: BTreeSet<(String, String)>,
}

impl Stack {
    /// A stack with the parameter for its suffix, and no resources.
    pub fn new(description: &str, settings: StackSettings) -> Result<Self, SynthError> {
        let suffix = settings.name_suffix.as_str().to_owned();
        let mut stack = Self {
            settings,
            name_suffix: ParameterName::new(NAME_SUFFIX),
            template: Template::new(description),
            origins: Vec::new(),
            routes: BTreeSet::new(),
        };
        stack.add_parameter(
            &stack.name_suffix.clone(),
            Parameter {
                kind: ParameterType::String,
                description: "Appended to the names of tables and queues, so that one account \
                              and region can hold several stacks: -staging"
                    .to_owned(),
                default: Some(suffix),
                allowed_pattern: Some(NameSuffix::pattern()),
                constraint_description: Some(format!(
                    "up to {} letters, digits, hyphens and underscores",
                    NameSuffix::MAX_LENGTH
                )),
            },
        )?;
        Ok(stack)
    }

    /// The settings that the stack is synthesized with.
    pub fn settings(&self) -> &StackSettings {
        &self.settings
    }

    /// The tags of all resources that support tags.
    pub fn tags(&self) -> &Tags {
        &self.settings.tags
    }

    /// The origins whose pages may use HTTP APIs and read from buckets: those of the settings and of
    /// [`Self::allow_origin`]. All origins if empty.
    pub fn allowed_origins(&self) -> Vec<StringValue> {
        let origins = self.settings.allowed_origins.iter();
        let origins = origins.map(|origin| origin.as_str().to_owned().into());
        origins.chain(self.origins.iter().cloned()).collect()
    }

    /// Adds an allowed origin that may be known only when the stack is deployed, such as that of a
    /// [`Website`](crate::Website). It applies to the constructs that are added afterwards. If the stack
    /// allowed all origins, it is the only one that they allow.
    pub fn allow_origin(&mut self, origin: StringValue) {
        self.origins.push(origin);
    }

    /// Adds a resource without attributes.
    pub fn add<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
    ) -> Result<Handle<R>, SynthError> {
        self.add_with(path, properties, Attributes::default())
    }

    /// Adds a resource with data. [`StackSettings::data`] decides whether it is retained.
    pub fn add_data<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
    ) -> Result<Handle<R>, SynthError> {
        let removal = match self.settings.data {
            DataPolicy::Disposable => RemovalPolicy::Delete,
            DataPolicy::Protected => RemovalPolicy::Retain,
        };
        let attributes = Attributes {
            removal: Some(removal),
            ..Attributes::default()
        };
        self.add_with(path, properties, attributes)
    }

    /// Adds a resource with attributes such as `DependsOn`.
    pub fn add_with<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
        attributes: Attributes,
    ) -> Result<Handle<R>, SynthError> {
        Ok(self.template.add(path, properties, attributes)?)
    }

    /// The properties and attributes of a resource, for changes.
    pub fn resource_mut<R: ResourceType>(
        &mut self,
        handle: &Handle<R>,
    ) -> Option<(&mut R, &mut Attributes)> {
        self.template.resource_mut(handle)
    }

    /// The template so far, for what this type does not cover, such as untyped resources.
    pub fn template_mut(&mut self) -> &mut Template {
        &mut self.template
    }

    /// Adds a parameter. An equal one may exist already.
    pub fn add_parameter(
        &mut self,
        name: &ParameterName,
        parameter: Parameter,
    ) -> Result<(), SynthError> {
        if self.template.parameters().get(name) == Some(&parameter) {
            return Ok(());
        }
        Ok(self.template.add_parameter(name.clone(), parameter)?)
    }

    /// Adds a condition; its name must be new.
    pub fn add_condition(
        &mut self,
        name: &ConditionName,
        condition: Condition,
    ) -> Result<(), SynthError> {
        Ok(self.template.add_condition(name.clone(), condition)?)
    }

    /// Adds an output; its name must be new.
    pub fn add_output(
        &mut self,
        name: &str,
        description: &str,
        value: StringValue,
    ) -> Result<(), SynthError> {
        let output = Output {
            description: description.to_owned(),
            value,
        };
        Ok(self.template.add_output(OutputName::new(name), output)?)
    }

    /// The name of a table or queue: the stack's prefix, the declared name, and the stack's suffix.
    pub(crate) fn physical_name(
        &self,
        kind: &'static str,
        name: &str,
        limit: usize,
    ) -> Result<StringValue, SynthError> {
        let name = format!("{}{name}", self.settings.name_prefix);
        if name.len() + NameSuffix::MAX_LENGTH > limit {
            return Err(SynthError::NameTooLong { kind, name, limit });
        }
        Ok(sub![name, &self.name_suffix])
    }

    /// Refuses a second route with the same key. Routes with different names can have the same key, so
    /// their logical ids do not collide.
    pub(crate) fn reserve_route(
        &mut self,
        api: &ConstructPath,
        key: &str,
    ) -> Result<(), SynthError> {
        let api = api.to_string();
        if self.routes.insert((api.clone(), key.to_owned())) {
            return Ok(());
        }
        Err(SynthError::DuplicateRoute {
            api,
            key: key.to_owned(),
        })
    }

    /// The template with everything that was added.
    pub fn into_template(self) -> Template {
        self.template
    }
}

#[cfg(test)]
mod tests {
    use cloudformation::resources::logs::LogGroup;

    use super::*;

    fn stack() -> Stack {
        Stack::new("A stack.", StackSettings::default()).expect("a stack")
    }

    fn log_group(stack: &Stack) -> LogGroup {
        LogGroup {
            retention_in_days: stack.settings().log_retention,
            tags: stack.tags().list(),
        }
    }

    #[test]
    fn logical_id_collision_names_both_constructs() {
        let mut stack = stack();
        let api = ConstructPath::root("WebSocketApi");
        let logs = log_group(&stack);
        stack
            .add(&api.child("cancel_order"), logs.clone())
            .expect("the first");
        let error = stack
            .add(&api.child("cancel-order"), logs)
            .expect_err("a collision");
        assert_eq!(
            error.to_string(),
            "`WebSocketApi/cancel_order` and `WebSocketApi/cancel-order` both get the logical id \
             WebSocketApiCancelOrder: rename one of the two"
        );
    }

    #[test]
    fn resource_cannot_have_the_name_of_a_parameter() {
        let mut stack = stack();
        let logs = log_group(&stack);
        let error = stack
            .add(&ConstructPath::root("name").child("suffix"), logs)
            .expect_err("a collision");
        assert!(
            error.to_string().contains("the parameter NameSuffix"),
            "{error}"
        );
    }

    #[test]
    fn name_without_room_for_the_suffix_is_refused() {
        let error = stack()
            .physical_name("queue", &"q".repeat(50), 80)
            .expect_err("too long");
        assert!(error.to_string().contains("shorten it by 10"), "{error}");
    }

    #[test]
    fn route_key_is_unique_in_its_api_only() {
        let mut stack = stack();
        let public = ConstructPath::root("PublicApi");
        assert_eq!(stack.reserve_route(&public, "GET /"), Ok(()));
        assert_eq!(
            stack.reserve_route(&ConstructPath::root("AdminApi"), "GET /"),
            Ok(())
        );
        let error = stack.reserve_route(&public, "GET /").expect_err("twice");
        assert!(
            error
                .to_string()
                .contains("'PublicApi' already has a route 'GET /'")
        );
    }
}
