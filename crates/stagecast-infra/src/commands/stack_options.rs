//! The options that select a stack.

use std::borrow::Cow;

use clap::Args;
use constructs::NAME_SUFFIX;

use crate::{
    deploy::{AwsSession, ParameterValues, SessionOptions, StackName},
    environments::{Environment, NameSuffix, Overrides},
    project::Project,
};

/// The options that select a stack.
#[derive(Clone, Debug, Args)]
pub(crate) struct StackOptions {
    /// Environment of the stack.
    #[arg(long, value_name = "NAME", default_value = "dev")]
    environment: String,
    /// Suffix of the names of tables, queues and the stack, instead of the environment's: -alice.
    #[arg(long, value_name = "SUFFIX", value_parser = NameSuffix::new, allow_hyphen_values = true)]
    name_suffix: Option<NameSuffix>,
    /// Name of the stack. Default: PRODUCT-ENVIRONMENT, followed by --name-suffix.
    #[arg(long, value_name = "NAME")]
    stack_name: Option<StackName>,
    /// AWS region. Default: the one that the AWS CLI would use.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Profile in ~/.aws/config.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Address of all AWS services, for an emulator.
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

impl StackOptions {
    /// The environment with `overrides`.
    ///
    /// The name suffix is not one of them. It is passed as a parameter of the stack: as the
    /// template's default it could not be distinguished from a suffix that was never given.
    pub(crate) fn environment(
        &self,
        project: Project,
        overrides: &Overrides,
    ) -> anyhow::Result<Environment> {
        Ok(project.environment(&self.environment)?.with(overrides))
    }

    /// The suffix as an override, for templates that are compared without parameters.
    pub(crate) fn suffix(&self) -> Overrides {
        Overrides {
            name_suffix: self.name_suffix.clone(),
            ..Overrides::default()
        }
    }

    /// The name of the selected stack.
    pub(crate) fn stack_name(&self, project: Project) -> anyhow::Result<StackName> {
        if let Some(name) = &self.stack_name {
            return Ok(name.clone());
        }
        let environment = self.environment(project, &Overrides::default())?;
        Ok(StackName::of(
            project.product.name,
            &environment,
            self.name_suffix.as_ref(),
        ))
    }

    /// Finds region and credentials. Sends no request.
    pub(crate) async fn session(&self) -> anyhow::Result<AwsSession> {
        let options = SessionOptions {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
        };
        Ok(AwsSession::open(&options).await?)
    }

    /// The stack parameters that these options set.
    pub(crate) fn parameters(&self) -> ParameterValues {
        let suffix = self.name_suffix.as_ref();
        let suffix = suffix.map(|suffix| (NAME_SUFFIX.to_owned(), suffix.as_str().to_owned()));
        suffix.into_iter().collect()
    }

    /// These options for a shell, each with a space before it.
    pub(crate) fn to_shell(&self) -> String {
        self.to_shell_for(self.stack_name.as_ref().map(StackName::as_str))
    }

    /// The options that select another stack in the same account and region.
    pub(crate) fn to_shell_for_stack(&self, project: Project, stack: &str) -> String {
        let is_selected = self
            .stack_name(project)
            .is_ok_and(|name| name.as_str() == stack);
        if is_selected {
            self.to_shell()
        } else {
            self.to_shell_for(Some(stack))
        }
    }

    fn to_shell_for(&self, stack_name: Option<&str>) -> String {
        let environment = Some(self.environment.as_str()).filter(|name| *name != "dev");
        let suffix = self.name_suffix.as_ref().map(NameSuffix::as_str);
        [
            shell_option("environment", environment),
            shell_option("name-suffix", suffix),
            shell_option("stack-name", stack_name),
            self.aws_options(),
        ]
        .concat()
    }

    /// The options that the AWS CLI takes as well, for a shell.
    pub(crate) fn aws_options(&self) -> String {
        [
            shell_option("region", self.region.as_deref()),
            shell_option("profile", self.profile.as_deref()),
            shell_option("endpoint-url", self.endpoint_url.as_deref()),
        ]
        .concat()
    }
}

/// An option for a shell, with a space before it. Empty without a value.
pub(crate) fn shell_option(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" --{name} {}", quoted(value)))
}

/// Quotes a word for a shell. A NUL byte is the only one that cannot be quoted, and no argument of a
/// process contains one.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}
