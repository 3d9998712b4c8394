//! Which stack a command is about, and where it is.

use std::{borrow::Cow, future::Future};

use anyhow::Context;
use clap::Args;
use infra_gen::{
    constructs::NAME_SUFFIX,
    deploy::{DeployedStack, Naming, Place, Session, StackName, Values},
    diff::TemplateDocument,
    environments::{Architecture, Environment, NameSuffix, Overrides},
};

use super::{known_environment, processor_option};

/// Which stack a command is about, and where it is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// The environment.
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = known_environment)]
    pub(crate) environment: String,
    /// What is appended to the names of tables, queues and the stack, in place of the environment's
    /// own suffix: -alice.
    #[arg(long, value_name = "SUFFIX", value_parser = NameSuffix::new, allow_hyphen_values = true)]
    pub(crate) name_suffix: Option<NameSuffix>,
    /// The stack's name. Without it: stagecast-ENVIRONMENT, then the suffix if one is given.
    #[arg(long, value_name = "NAME")]
    pub(crate) stack_name: Option<StackName>,
    /// The region; as the AWS CLI finds it unless told otherwise.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// A profile of ~/.aws/config.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Where to find all of AWS's services, if not at AWS.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
}

impl Target {
    /// The environment, with what is different in it this once. The suffix is not: it is given as a
    /// parameter, and a template whose default it were could not tell any more that it was given.
    pub(crate) fn environment(&self, overrides: &Overrides) -> anyhow::Result<Environment> {
        Ok(Environment::by_name(&self.environment)?.with(overrides))
    }

    /// The suffix, for what has it in its own name.
    pub(crate) fn suffix(&self) -> Overrides {
        Overrides {
            name_suffix: self.name_suffix.clone(),
            ..Overrides::default()
        }
    }

    pub(crate) fn stack_name(&self) -> anyhow::Result<StackName> {
        if let Some(name) = &self.stack_name {
            return Ok(name.clone());
        }
        let environment = self.environment(&Overrides::default())?;
        Ok(StackName::of(&environment, self.name_suffix.as_ref()))
    }

    pub(crate) async fn session(&self) -> anyhow::Result<Session> {
        let place = Place {
            region: self.region.clone(),
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
        };
        Ok(Session::open(&place).await?)
    }

    /// The stack, for commands that are about one that there is.
    pub(crate) async fn stack(&self, session: &Session) -> anyhow::Result<DeployedStack> {
        let name = self.stack_name()?;
        let stack = DeployedStack::find(session, name.as_str()).await?;
        stack.with_context(|| {
            format!(
                "there is no stack {name} in {}\n  what to do: `infra-gen deploy{}` makes it; \
                 --stack-name, --name-suffix, --environment, --region and --profile say which one \
                 is meant",
                session.region,
                self.repeat()
            )
        })
    }

    /// The parameters of the template that are given by options of their own.
    pub(crate) fn given(&self) -> Values {
        let suffix = self.name_suffix.as_ref();
        let suffix = suffix.map(|suffix| (NAME_SUFFIX.to_owned(), suffix.as_str().to_owned()));
        suffix.into_iter().collect()
    }

    /// What has to be given again to mean the same stack.
    pub(crate) fn repeat(&self) -> String {
        self.options(self.stack_name.as_ref().map(StackName::as_str))
    }

    /// How commands name a stack where this one is: this one, or the one that it logs with.
    pub(crate) fn naming(&self, stack: &str) -> Naming {
        let is_this = self.stack_name().is_ok_and(|name| name.as_str() == stack);
        Naming {
            stack: stack.to_owned(),
            options: if is_this {
                self.repeat()
            } else {
                self.options(Some(stack))
            },
            aws: self.place(),
        }
    }

    fn options(&self, stack_name: Option<&str>) -> String {
        let environment = Some(self.environment.as_str()).filter(|name| *name != "dev");
        let suffix = self.name_suffix.as_ref().map(NameSuffix::as_str);
        [
            option("environment", environment),
            option("name-suffix", suffix),
            option("stack-name", stack_name),
            self.place(),
        ]
        .concat()
    }

    /// What the AWS CLI takes, too.
    fn place(&self) -> String {
        [
            option("region", self.region.as_deref()),
            option("profile", self.profile.as_deref()),
            option("endpoint-url", self.endpoint_url.as_deref()),
        ]
        .concat()
    }
}

/// The environment of a stack whose functions stay on the processor that they were deployed on, unless
/// another is given.
pub(crate) fn on_its_processor(
    mut environment: Environment,
    given: &Overrides,
    deployed: Option<&TemplateDocument>,
    say: impl FnOnce(String),
) -> Environment {
    let deployed = deployed.and_then(TemplateDocument::function_architecture);
    let deployed = deployed.and_then(|name| name.parse::<Architecture>().ok());
    if let Some(deployed) = deployed
        && given.architecture.is_none()
        && deployed != environment.architecture
    {
        say(format!(
            "the functions stay on {deployed}, on which they are deployed; {} changes that",
            processor_option(environment.architecture)
        ));
        environment.architecture = deployed;
    }
    environment
}

/// An option as it is given to a shell, with a space before it.
pub(crate) fn option(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" --{name} {}", quoted(value)))
}

/// A word as a shell reads it back unchanged. No argument of a process holds a NUL byte, the only one
/// that cannot be quoted.
fn quoted(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Cow::into_owned)
}

/// Runs a command that talks to AWS.
pub(crate) fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(command);
    // A question that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    outcome
}

/// Waits until someone wants to stop: Ctrl-C, or the signal that CI systems send.
#[cfg(unix)]
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};

    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated => {}
    }
}

/// Does what is left to do after someone wanted to stop, unless they want that again.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = interrupted() => None,
    }
}

#[cfg(not(unix))]
pub(crate) async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
