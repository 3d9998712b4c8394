//! The stack while constructs are added to it.

use contract::functions::FunctionSpec;

use crate::{
    environments::{DataPolicy, Environment, NameSuffix},
    resources::Tags,
    template::{
        Attributes, Condition, ConditionName, ConstructPath, Handle, NameCollision, Output,
        OutputName, Parameter, ParameterName, ParameterType, RemovalPolicy, ResourceType,
        StringValue, Template, sub,
    },
};

/// Why there is no template.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SynthError {
    /// Two things want the same name.
    #[error(transparent)]
    NameCollision(#[from] NameCollision),
    /// Something could not be written as JSON within the template.
    #[error("{what} cannot be written as JSON: {cause}")]
    Json {
        /// What it is.
        what: &'static str,
        /// Why.
        cause: String,
    },
    /// With the longest suffix the name would be too long for AWS.
    #[error(
        "the {kind} name '{name}' is too long: AWS takes {limit} characters, and {suffix} of them \
         are kept for the stack's suffix; shorten it by {excess} in contract/src",
        suffix = NameSuffix::MAX_LENGTH,
        excess = name.len() + NameSuffix::MAX_LENGTH - limit,
    )]
    NameTooLong {
        /// What has the name.
        kind: &'static str,
        /// The name.
        name: String,
        /// How long it may be.
        limit: usize,
    },
    /// A function uses something that the stack does not have.
    #[error(
        "the function '{function}' uses the {kind} '{name}', which the stack does not have: add \
         it in infra-gen/src/stack.rs"
    )]
    NotInStack {
        /// The function.
        function: &'static str,
        /// What kind of thing it uses.
        kind: &'static str,
        /// Which one.
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

/// The parameter that holds the suffix of the names of tables and queues.
pub const NAME_SUFFIX: &str = "NameSuffix";

/// The tags of the stack and of everything in it that takes tags.
pub fn stack_tags(environment: &Environment) -> [(&'static str, &'static str); 2] {
    [
        ("Application", "stagecast"),
        ("Environment", environment.name),
    ]
}

/// A stack that constructs are added to, for one environment.
#[derive(Debug)]
pub struct Stack<'environment> {
    environment: &'environment Environment,
    tags: Tags,
    name_suffix: ParameterName,
    template: Template,
}

impl<'environment> Stack<'environment> {
    /// A stack with nothing in it but the parameter for its suffix.
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

    /// What the stack is for.
    pub fn environment(&self) -> &'environment Environment {
        self.environment
    }

    /// The tags of everything that takes tags.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// Adds a resource.
    pub fn add<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
    ) -> Result<Handle<R>, SynthError> {
        self.add_with(path, properties, Attributes::default())
    }

    /// Adds a resource that holds data: what happens to it is the environment's choice.
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

    /// Adds a resource with attributes.
    pub fn add_with<R: ResourceType>(
        &mut self,
        path: &ConstructPath,
        properties: R,
        attributes: Attributes,
    ) -> Result<Handle<R>, SynthError> {
        Ok(self.template.add(path, properties, attributes)?)
    }

    /// A resource of the stack, to be changed: its properties and its attributes.
    pub(super) fn resource_mut<R: ResourceType>(
        &mut self,
        handle: &Handle<R>,
    ) -> Option<(&mut R, &mut Attributes)> {
        self.template.resource_mut(handle)
    }

    /// Adds a parameter, or leaves it as it is if the stack has the same already.
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

    /// Adds a condition.
    pub fn add_condition(
        &mut self,
        name: &ConditionName,
        condition: Condition,
    ) -> Result<(), SynthError> {
        Ok(self.template.add_condition(name.clone(), condition)?)
    }

    /// Adds an output.
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

    /// The name of a table or queue: the contract's, then the stack's suffix.
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

    /// The template of everything that has been added.
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
    fn two_constructs_that_get_the_same_logical_id_are_both_named() {
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
    fn a_resource_cannot_have_the_name_of_a_parameter() {
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
    fn a_name_that_leaves_no_room_for_the_suffix_is_refused() {
        let environment = Environment::dev();
        let stack = Stack::new("A stack.", &environment).expect("a stack");
        let error = stack
            .physical_name("queue", &"q".repeat(50), 80)
            .expect_err("too long");
        assert!(error.to_string().contains("shorten it by 10"), "{error}");
    }
}
