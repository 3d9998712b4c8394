//! The stack that constructs add their resources to.

use typed_contract::functions::FunctionSpec;

use crate::{
    environments::{DataPolicy, Environment, NameSuffix},
    resources::Tags,
    template::{
        Attributes, Condition, ConditionName, ConstructPath, Handle, NameCollision, Output,
        OutputName, Parameter, ParameterName, ParameterType, RemovalPolicy, ResourceType,
        StringValue, Template, sub,
    },
};

/// Why a stack cannot be synthesized.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SynthError {
    /// Two parts of the template have the same name.
    #[error(transparent)]
    NameCollision(#[from] NameCollision),
    /// A property that holds JSON cannot be serialized.
    #[error("cannot write {what} as JSON: {cause}")]
    Json {
        /// The property.
        what: &'static str,
        /// The serializer's message.
        cause: String,
    },
    /// A name with the longest suffix is too long for AWS.
    #[error(
        "the {kind} name '{name}' is too long: AWS allows {limit} characters, and {suffix} of them \
         are reserved for the stack's suffix\n  help: shorten it by {excess} in contract/src",
        suffix = NameSuffix::MAX_LENGTH,
        excess = name.len() + NameSuffix::MAX_LENGTH - limit,
    )]
    NameTooLong {
        /// `table` or `queue`.
        kind: &'static str,
        /// The name without the suffix.
        name: String,
        /// The largest number of characters.
        limit: usize,
    },
    /// A function refers to a resource that the stack does not have.
    #[error(
        "the function '{function}' uses the {kind} '{name}', which the stack does not have\n  help: add \
         it in infra-gen/src/stack.rs"
    )]
    NotInStack {
        /// The name of the function.
        function: &'static str,
        /// `table`, `queue` or `bucket`.
        kind: &'static str,
        /// The name of the resource.
        name: &'static str,
    },
}

impl SynthError {
    pub(super) const fn not_in_stack(
        function: &FunctionSpec,
        kind: &'static str,
        name: &'static str,
    ) -> Self {
        Self::NotInStack {
            function: function.name,
            kind,
            name,
        }
    }
}

/// The parameter with the suffix of the names of tables and queues.
pub const NAME_SUFFIX: &str = "NameSuffix";

/// The tags of the stack and of all its resources that support tags.
pub fn stack_tags(environment: &Environment) -> [(&'static str, &'static str); 2] {
    [
        ("Application", "stagecast"),
        ("Environment", environment.name),
    ]
}

/// The stack of one environment, to which constructs add their resources.
#[derive(Debug)]
pub struct Stack<'environment> {
    environment: &'environment Environment,
    tags: Tags,
    name_suffix: ParameterName,
    template: Template,
}

impl<'environment> Stack<'environment> {
    /// A stack with the parameter for its suffix, and no resources.
    pub fn new(
        description: &str,
        environment: &'environment Environment,
    ) -> Result<Self, SynthError> {
        let mut stack = Self {
            environment,
            tags: Tags::new(stack_tags(environment)),
            name_suffix: ParameterName::new(NAME_SUFFIX),
            template: Template::new(description),
        };
        stack.add_parameter(
            &stack.name_suffix.clone(),
            Parameter {
                kind: ParameterType::String,
                description: "Appended to the names of tables and queues, so that one account \
                              and region can hold several stacks: -staging"
                    .to_owned(),
                default: Some(environment.name_suffix.as_str().to_owned()),
                allowed_pattern: Some(NameSuffix::pattern()),
                constraint_description: Some(format!(
                    "up to {} letters, digits, hyphens and underscores",
                    NameSuffix::MAX_LENGTH
                )),
            },
        )?;
        Ok(stack)
    }

    /// The environment that the stack is synthesized for.
    pub fn environment(&self) -> &'environment Environment {
        self.environment
    }

    /// The tags of all resources that support tags.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Adds a resource without attributes.
    pub fn add<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
    ) -> Result<Handle<R>, SynthError> {
        self.add_with(path, properties, Attributes::default())
    }

    /// Adds a resource with data. The environment decides whether it is retained.
    pub fn add_data<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
    ) -> Result<Handle<R>, SynthError> {
        let removal = match self.environment.data {
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
    pub(super) fn resource_mut<R: ResourceType>(
        &mut self,
        handle: &Handle<R>,
    ) -> Option<(&mut R, &mut Attributes)> {
        self.template.resource_mut(handle)
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

    /// The name of a table or queue: the contract's name and the stack's suffix.
    pub(super) fn physical_name(
        &self,
        kind: &'static str,
        name: &str,
        limit: usize,
    ) -> Result<StringValue, SynthError> {
        if name.len() + NameSuffix::MAX_LENGTH > limit {
            return Err(SynthError::NameTooLong {
                kind,
                name: name.to_owned(),
                limit,
            });
        }
        Ok(sub![name.to_owned(), &self.name_suffix])
    }

    /// The template with everything that was added.
    pub fn into_template(self) -> Template {
        self.template
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::logs::LogGroup;

    fn log_group(stack: &Stack) -> LogGroup {
        LogGroup {
            retention_in_days: stack.environment().log_retention,
            tags: stack.tags().list(),
        }
    }

    #[test]
    fn logical_id_collision_names_both_constructs() {
        let environment = Environment::dev();
        let mut stack = Stack::new("A stack.", &environment).expect("a stack");
        let api = ConstructPath::root("WebSocketApi");
        let logs = log_group(&stack);
        stack
            .add(&api.child("cancel_job"), logs.clone())
            .expect("the first");
        let error = stack
            .add(&api.child("cancel-job"), logs)
            .expect_err("a collision");
        assert_eq!(
            error.to_string(),
            "`WebSocketApi/cancel_job` and `WebSocketApi/cancel-job` both get the logical id \
             WebSocketApiCancelJob: rename one of the two"
        );
    }

    #[test]
    fn resource_cannot_have_the_name_of_a_parameter() {
        let environment = Environment::dev();
        let mut stack = Stack::new("A stack.", &environment).expect("a stack");
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
        let environment = Environment::dev();
        let stack = Stack::new("A stack.", &environment).expect("a stack");
        let error = stack
            .physical_name("queue", &"q".repeat(50), 80)
            .expect_err("too long");
        assert!(error.to_string().contains("shorten it by 10"), "{error}");
    }
}
