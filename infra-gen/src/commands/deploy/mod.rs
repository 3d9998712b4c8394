//! `infra-gen deploy`.

mod code;
mod ensure_updatable;
mod execution;
mod logging;
mod names;
mod preflight;

use std::cell::RefCell;

use anyhow::{anyhow, bail};
use clap::Args;
use infra_gen::{
    constructs::stack_tags,
    deploy::{
        Capabilities, ChangeSetRequest, DeployedTemplate, LARGEST_BODY, Sources, TemplateSource,
        Values, data_loss_changes, explain, values,
    },
    diff::{Difference, TemplateDocument, compare},
    environments::Environment,
    generated, stack,
    template::{Format, Template},
};

use super::{
    package::Code,
    target::{Target, block_on, on_its_processor, option, unless_interrupted},
    terminal::{Terminal, paint},
};
use crate::Outcome;
use execution::InterruptState;
use preflight::DeployContext;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    code: Code,
    /// Do not ask before anything is done.
    #[arg(long)]
    yes: bool,
    /// Go on although tables, queues or buckets would be replaced or removed, with what they hold.
    #[arg(long)]
    allow_replacement: bool,
    /// Set up the role that API Gateway logs with, if the account has none in this region.
    #[arg(long)]
    set_up_logging: bool,
    /// The value of a parameter of the template; may be repeated. It stays until another is given.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// The bucket that packages are uploaded to; one that is made for the account and the region
    /// unless told otherwise.
    #[arg(long, value_name = "NAME")]
    artifact_bucket: Option<String>,
}

impl Arguments {
    /// What has to be given again to go on with the same deployment. What was agreed to is not: it
    /// was agreed to once.
    fn repeat(&self) -> String {
        let mut options = self.target.repeat() + &self.code.repeat();
        for (name, value) in &self.parameters {
            options += &option("parameter", Some(&format!("{name}={value}")));
        }
        options + &option("artifact-bucket", self.artifact_bucket.as_deref())
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "write it as NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    block_on(async {
        let interrupt_state = RefCell::new(InterruptState::Nothing);
        let cut_short = || {
            anyhow!(
                "interrupted again; a change set may be left, which the next deployment takes away"
            )
        };
        let result = if let Some(result) =
            unless_interrupted(Box::pin(deploy(arguments, &interrupt_state))).await
        {
            result
        } else {
            let said = unless_interrupted(Box::pin(InterruptState::interrupted(
                &interrupt_state,
                arguments,
            )))
            .await;
            Err(said.unwrap_or_else(cut_short))
        };
        // Whatever was only planned is not left behind.
        let unfinished = interrupt_state.replace(InterruptState::Nothing);
        match unless_interrupted(Box::pin(unfinished.discard())).await {
            Some(()) => result,
            None => Err(cut_short()),
        }
    })
}

async fn deploy(
    arguments: &Arguments,
    interrupt_state: &RefCell<InterruptState>,
) -> anyhow::Result<Outcome> {
    let mut terminal = Terminal::new();
    if !arguments.yes {
        terminal.require(
            "`infra-gen deploy` asks before it changes a stack",
            "give --yes to have it deployed unasked; `infra-gen diff` shows what would change",
        )?;
    }
    let given = arguments.code.overrides();
    let environment = arguments.target.environment(&given)?;
    let description = stack::synthesize(&environment)?.description().to_owned();
    let context = DeployContext::preflight(
        arguments,
        &environment,
        &description,
        interrupt_state,
        &mut terminal,
    )
    .await?;
    let deployed = match &context.stack {
        Some(stack) => Some(stack.template(&context.session).await?),
        None => None,
    };
    let document = deployed.as_ref().map(|template| &template.document);
    let environment = on_its_processor(environment, &given, document, |note| terminal.line(note));
    let template = stack::synthesize(&environment)?;
    let names = names::new_names(arguments, &context, &template, deployed.as_ref()).await?;
    names::refuse_taken(&names, arguments, &context, &mut terminal).await?;

    let packages = arguments
        .code
        .packages(&mut terminal, environment.architecture)
        .await?;
    let filled = code::upload(&context, packages, &mut terminal).await?;
    let parameters = parameters(arguments, &context, &template, &filled, deployed.as_ref())?;
    let text = generated::template(&template, Format::CloudFormation)?;
    if context.is_deployed(&text, &parameters, deployed.as_ref()) {
        terminal.done(format!(
            "{} is up to date: nothing has changed",
            context.name
        ));
        return Ok(Outcome::Done);
    }

    let new = TemplateDocument::from_json(template.to_json(Format::CloudFormation)?)?;
    let request = ChangeSetRequest {
        stack: context.name.to_string(),
        is_new: context.stack.is_none(),
        capabilities: Capabilities::of(&new),
        template: source(&context, text).await?,
        tags: stack_tags(&environment)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        parameters: parameters.clone(),
    };
    interrupt_state.replace(InterruptState::Planned {
        session: context.session.clone(),
        request: request.clone(),
    });
    terminal.start("having CloudFormation work out what would change");
    let Some(change_set) = request.change_set(&context.session).await? else {
        terminal.done(format!(
            "{} is up to date: nothing has changed",
            context.name
        ));
        return Ok(Outcome::Done);
    };
    terminal.finish();

    let new = new.with_values(&parameters);
    let old = match (&context.stack, deployed) {
        (Some(stack), Some(template)) => template.document.with_values(&stack.parameters),
        _ => TemplateDocument::default(),
    };
    let mut difference = explain(compare(&old, &new), &change_set.changes);
    difference.find_refusals(&old, &new);
    show(&terminal, &difference, request.is_new);
    refuse_refused(&difference, &context)?;
    refuse_losses(&difference, arguments, &context)?;
    warn_of_anonymous_jobs(&environment, &terminal);
    let question = format!(
        "Execute these changes on {} in {}?",
        context.name, context.session.region
    );
    if !arguments.yes
        && !terminal
            .confirm(&question, "give --yes to have them executed unasked")
            .await?
    {
        terminal.line("Nothing was changed.");
        return Ok(Outcome::Differs);
    }
    // Building and asking take a while, and another stack may have come by now.
    names::refuse_taken(&names, arguments, &context, &mut terminal).await?;
    execution::execute(
        &context,
        &template,
        &change_set,
        interrupt_state,
        &mut terminal,
        arguments,
    )
    .await
}

/// What the parameters of the template are worth.
fn parameters(
    arguments: &Arguments,
    context: &DeployContext,
    template: &Template,
    filled: &Values,
    deployed: Option<&DeployedTemplate>,
) -> anyhow::Result<Values> {
    let mut given = arguments.target.given();
    given.extend(arguments.parameters.iter().cloned());
    let deployed = context
        .stack
        .as_ref()
        .zip(deployed)
        .map(|(stack, template)| (&stack.parameters, &template.document));
    let sources = Sources {
        given: &given,
        filled,
        deployed,
    };
    Ok(values(template, sources)?)
}

async fn source(context: &DeployContext, text: String) -> anyhow::Result<TemplateSource> {
    if text.len() <= LARGEST_BODY {
        return Ok(TemplateSource::Body(text));
    }
    let url = context
        .bucket
        .upload_template(&context.session, &text)
        .await?;
    Ok(TemplateSource::Url(url))
}

/// Shows what would change. What a whole new stack consists of is in the template; what it may do
/// is the point.
fn show(terminal: &Terminal, difference: &Difference, is_new: bool) {
    let mut shown = difference.clone();
    if is_new {
        shown.resources.clear();
        shown.settings.clear();
    }
    let text = shown.to_string();
    let (changes, _) = text.rsplit_once("\n\n").unwrap_or((&text, ""));
    terminal.line(format!("\n{}", paint(changes)));
    terminal.line(format!("\n{}", difference.summary()));
}

/// What a service is sure to refuse would be found out on the way, and undone with all the rest.
fn refuse_refused(difference: &Difference, context: &DeployContext) -> anyhow::Result<()> {
    let refused = difference.refused();
    let lines: Vec<_> = refused
        .map(|change| {
            let refusals = change.refusals.iter();
            let refusals = refusals.map(|it| format!("\n      {}\n      {}", it.reason, it.help));
            format!(
                "\n    {} {} ({}){}",
                change.action.sign(),
                change.logical_id,
                change.kind,
                refusals.collect::<String>()
            )
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    bail!(
        "AWS will refuse these changes:{}\n  the stack {} is as it was\n  what to do: see the second \
         line of each",
        lines.concat(),
        context.name
    )
}

/// Everyone on the internet reaches the APIs. Whether they may create jobs is the environment's choice.
fn warn_of_anonymous_jobs(environment: &Environment, terminal: &Terminal) {
    let name = environment.name;
    if environment.job_authorizer.is_none() {
        terminal.warn(format!(
            "anyone who knows the URL can create jobs: the environment {name} has no job_authorizer \
             (infra-gen/src/environments/mod.rs)"
        ));
    }
}

/// Without an explicit yes, nothing that holds data is replaced or removed.
fn refuse_losses(
    difference: &Difference,
    arguments: &Arguments,
    context: &DeployContext,
) -> anyhow::Result<()> {
    let data_loss_changes = data_loss_changes(difference);
    if data_loss_changes.is_empty() || arguments.allow_replacement {
        return Ok(());
    }
    let names: Vec<_> = data_loss_changes
        .iter()
        .map(|change| {
            format!(
                "{} {} ({})",
                change.action.sign(),
                change.logical_id,
                change.kind
            )
        })
        .collect();
    bail!(
        "what these hold would be lost to the system:\n    {}\n  the stack {} is as it was\n  \
         what to do: change what is named above back, or give --allow-replacement",
        names.join("\n    "),
        context.name
    )
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

    fn repeated(options: &[&str]) -> String {
        let line = [&["deploy"], options].concat();
        Line::parse_from(line).arguments.repeat()
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
            "--parameter",
            "AlarmTopicArn=arn:aws:sns:eu-west-1:123456789012:alarms",
            "--artifact-bucket",
            "ours",
        ];
        let consent = ["--yes", "--allow-replacement", "--set-up-logging"];
        let given = [&options[..], &consent].concat();
        assert_eq!(words(&given), options);
        assert_eq!(repeated(&["--architecture", "arm64"]), " --arm64");
        assert_eq!(repeated(&[]), "");
    }

    #[test]
    fn repeated_options_are_quoted_for_a_shell() {
        let options = ["--binaries", "my out", "--parameter", "Name=it's $HOME"];
        assert_eq!(words(&options), options);
        assert!(repeated(&options).starts_with(" --binaries 'my out' --parameter "));
    }
}
