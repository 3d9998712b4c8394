//! `infra-gen deploy`.
//!
//! [`run`] resolves the command line into a [`DeployRequest`] and renders errors; the steps in
//! between see the [`DeployContext`] only.

mod context;
mod ensure_updatable;
mod execute;
mod interrupt;
mod invitation;
mod logging_role;
mod names;
mod page;
mod parameters;
mod plan;
mod preflight;
mod refusals;
mod secrets;
mod upload;

use std::io::{self, Write};

use crate::{
    construct_options::stack_tags,
    deploy::{DeployedStack, ParameterValues},
    environments::Overrides,
    project::Project,
    stack,
};
use anyhow::anyhow;
use clap::Args;
use stagecast_page::PageFile;

use self::context::{Consent, DeployContext, DeployRequest};
use super::{
    code::CodeOptions,
    hints::Hints,
    outcome::CommandOutcome,
    page::PageOptions,
    runtime::{block_on, unless_interrupted},
    stack_error::StackError,
    stack_options::{StackOptions, shell_option},
    terminal::Terminal,
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    #[command(flatten)]
    code: CodeOptions,
    #[command(flatten)]
    page: PageOptions,
    /// Deploy without asking.
    #[arg(long)]
    yes: bool,
    /// Allow changes that replace or delete tables, queues or buckets with their data.
    #[arg(long)]
    allow_replacement: bool,
    /// Create the role that API Gateway writes logs with, if the account has none in this region.
    #[arg(long)]
    set_up_logging: bool,
    /// Value of a template parameter; may be repeated. The stack keeps it until another is given.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Bucket for the packages. Default: one per account and region, created when first needed.
    #[arg(long, value_name = "NAME")]
    artifact_bucket: Option<String>,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "write it as NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Arguments {
    fn resolve(&self, project: Project) -> anyhow::Result<DeployRequest> {
        let overrides = Overrides {
            page: self.page.chosen(),
            ..self.code.overrides()
        };
        let environment = self.stack.environment(project, &overrides)?;
        refusals::require_tokens(&environment)?;
        let mut parameters: ParameterValues = self.stack.parameters();
        parameters.extend(self.parameters.iter().cloned());
        Ok(DeployRequest {
            description: stack::synthesize(project, &environment)?
                .description()
                .to_owned(),
            tags: stack_tags(project.product.name, &environment)
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            project,
            environment,
            architecture: overrides.architecture,
            page: overrides.page,
            stack_name: self.stack.stack_name(project)?,
            parameters,
            artifact_bucket: self.artifact_bucket.clone(),
            code: self.code.source(),
            consent: Consent {
                yes: self.yes,
                replacement: self.allow_replacement,
                logging_role: self.set_up_logging,
            },
        })
    }

    /// The options beside those of the stack that a repeated deployment needs, for a shell. Consent
    /// is not repeated: the user gave it once, for changes that they had seen.
    fn to_shell(&self) -> String {
        let mut options = self.code.to_shell() + self.page.to_shell();
        for (name, value) in &self.parameters {
            options += &shell_option("parameter", Some(&format!("{name}={value}")));
        }
        options + &shell_option("artifact-bucket", self.artifact_bucket.as_deref())
    }
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let mut terminal = Terminal::new();
    if !arguments.yes {
        terminal.require_interactive(
            "`infra-gen deploy` asks before it changes a stack",
            "give --yes to deploy without a question; `infra-gen diff` shows the changes",
        )?;
    }
    let request = arguments.resolve(project)?;
    let hints = Hints::new(project, "deploy", &arguments.to_shell(), &arguments.stack);
    block_on(async {
        let context = DeployContext::new(request, arguments.stack.session().await?);
        let result = unless_interrupted(Box::pin(deploy(&context, &mut terminal))).await;
        terminal.finish();
        let result = if let Some(result) = result {
            result.map_err(|error| hints.render(error))
        } else {
            let interruption = Box::pin(interrupt::interruption(&context));
            Err(unless_interrupted(interruption)
                .await
                .map_or_else(interrupted_again, |it| hints.interrupted(it)))
        };
        // A change set that is not executed must not remain.
        match unless_interrupted(Box::pin(interrupt::discard_planned(&context))).await {
            Some(()) => result,
            None => Err(interrupted_again()),
        }
    })
}

fn interrupted_again() -> anyhow::Error {
    anyhow!("interrupted again; a change set may remain, which the next deployment deletes")
}

async fn deploy(
    context: &DeployContext,
    terminal: &mut Terminal,
) -> Result<CommandOutcome, StackError> {
    let target = preflight::preflight(context, terminal).await?;
    let stack = plan::StackToDeploy::new(context, &target, terminal).await?;
    let names = names::new_names(context, &target, &stack).await?;
    names::require_free(context, &names, terminal).await?;
    let page = page::files(&stack)?;

    let packages =
        context
            .request
            .code
            .packages(context.request.project, terminal, stack.architecture);
    let packages = packages.await?;
    let locations = upload::upload(context, &target, packages, terminal).await?;
    let Some(plan) = plan::plan(context, &target, &stack, &locations, terminal).await? else {
        terminal.done(format!(
            "{} is up to date: there are no changes",
            context.request.stack_name
        ));
        if let Some(stack) = &target.stack {
            page::upload(context, page, stack, terminal).await?;
        }
        return Ok(CommandOutcome::Done);
    };
    plan.show(terminal, target.stack.is_none());
    refusals::require_accepted(context, &stack, &plan.difference)?;
    refusals::warn_of_anonymous_jobs(&context.request.environment, terminal);
    secrets::warn_of_needed(&context.request, target.stack.is_none(), terminal);
    page::warn_of_origins(context, &stack, terminal);
    if !confirm(context, terminal).await? {
        terminal.line("Nothing was changed.");
        return Ok(CommandOutcome::Differs);
    }
    // Building and the question take time, in which another deployment may have taken a name.
    names::require_free(context, &names, terminal).await?;
    page::empty(context, &target, &stack, terminal).await?;
    execute::execute(context, &stack.template, &plan.change_set, terminal).await?;
    finish(context, page, terminal).await
}

/// Uploads the page and prints the stack's addresses.
async fn finish(
    context: &DeployContext,
    page: Vec<PageFile>,
    terminal: &mut Terminal,
) -> Result<CommandOutcome, StackError> {
    let DeployContext {
        request, session, ..
    } = context;
    let name = request.stack_name.as_str();
    if let Some(stack) = DeployedStack::find(&session.cloudformation, name).await? {
        page::upload(context, page, &stack, terminal).await?;
        let text = invitation::invitation(
            request.project.product.input,
            &|name| stack.output(name),
            session.endpoint(),
        );
        io::stdout().write_all(text.as_bytes())?;
    }
    Ok(CommandOutcome::Done)
}

async fn confirm(context: &DeployContext, terminal: &mut Terminal) -> anyhow::Result<bool> {
    if context.request.consent.yes {
        return Ok(true);
    }
    let question = format!(
        "Execute these changes on {} in {}?",
        context.request.stack_name, context.session.region
    );
    terminal
        .confirm(&question, "give --yes to execute them without a question")
        .await
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// The options that hints repeat.
    fn repeated(options: &[&str]) -> String {
        let line = [&["deploy"], options].concat();
        let arguments = Line::parse_from(line).arguments;
        arguments.stack.to_shell() + &arguments.to_shell()
    }

    /// The words that a shell makes of the options.
    fn words(options: &[&str]) -> Vec<String> {
        shlex::split(&repeated(options)).expect("words")
    }

    #[test]
    fn repeated_options_are_the_same_without_consent() {
        let options = [
            "--region",
            "eu-west-1",
            "--x86-64",
            "--binaries",
            "out",
            "--page",
            "--parameter",
            "AlarmTopicArn=arn:aws:sns:eu-west-1:123456789012:alarms",
            "--artifact-bucket",
            "ours",
        ];
        let consent = ["--yes", "--allow-replacement", "--set-up-logging"];
        let given = [&options[..], &consent].concat();
        assert_eq!(words(&given), options);
        assert_eq!(repeated(&["--architecture", "arm64"]), " --arm64");
        assert_eq!(repeated(&["--no-page"]), " --no-page");
        assert_eq!(repeated(&[]), "");
    }

    #[test]
    fn repeated_options_are_quoted_for_a_shell() {
        let options = ["--binaries", "my out", "--parameter", "Name=it's $HOME"];
        assert_eq!(words(&options), options);
        assert!(repeated(&options).starts_with(" --binaries 'my out' --parameter "));
    }
}
