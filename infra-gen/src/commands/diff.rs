//! `infra-gen diff`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use infra_gen::{
    diff::{Difference, Source, Summary, TemplateDocument, compare},
    environments::Environment,
    generated::template_path,
    stack,
    template::Format,
};
use serde::Serialize;

use super::{GENERATED, Processor, workspace};
use crate::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the code's template would take the place of: a file, or a git revision's generated
    /// template. The template of the deployed stack unless told otherwise.
    #[cfg_attr(feature = "deploy", arg(
        long,
        value_name = "FILE|REVISION",
        conflicts_with_all = ["stack_name", "region", "profile", "endpoint_url"],
    ))]
    #[cfg_attr(
        not(feature = "deploy"),
        arg(long, value_name = "FILE|REVISION", required = true)
    )]
    against: Option<Source>,
    #[cfg(feature = "deploy")]
    #[command(flatten)]
    target: super::target::Target,
    #[command(flatten)]
    processor: Processor,
    /// The environment whose template is compared.
    #[cfg(not(feature = "deploy"))]
    #[arg(long, value_name = "NAME", default_value = "dev", value_parser = super::known_environment)]
    environment: String,
    /// Print the difference as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    environment: &'a str,
    against: &'a Against,
    summary: Summary,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// What the code's template was compared with.
#[derive(Serialize)]
#[serde(untagged)]
enum Against {
    Template(Source),
    #[cfg(feature = "deploy")]
    Deployed {
        stack: String,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let environment = arguments.environment()?;
    let name = environment.name;
    let (against, difference) = match &arguments.against {
        Some(source) => {
            let new = stack::synthesize(&environment)?;
            let root = match source {
                Source::Revision(_) => workspace()?,
                Source::File(_) => PathBuf::new(),
            };
            let generated = Path::new(GENERATED).join(template_path(name, Format::Sam));
            let old = source.read(&root, &generated)?;
            let format = if old.has_transform() {
                Format::Sam
            } else {
                Format::CloudFormation
            };
            let new = TemplateDocument::from_json(new.to_json(format)?)?;
            (Against::Template(source.clone()), compare(&old, &new))
        }
        #[cfg(feature = "deploy")]
        None => deployed::difference(
            &arguments.target,
            environment,
            &arguments.processor.overrides(),
        )?,
        #[cfg(not(feature = "deploy"))]
        None => anyhow::bail!("there is nothing to compare with; give --against"),
    };
    let printed = if arguments.json {
        let report = Report {
            environment: name,
            against: &against,
            summary: difference.summary(),
            difference: &difference,
        };
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        difference.to_string()
    };
    io::stdout()
        .write_all(printed.as_bytes())
        .context("the difference cannot be printed")?;
    Ok(if difference.is_empty() {
        Outcome::Done
    } else {
        Outcome::Differs
    })
}

#[cfg(feature = "deploy")]
impl Arguments {
    /// What is deployed has got its suffix as a parameter. A template that is not has it as that
    /// parameter's default.
    fn environment(&self) -> anyhow::Result<Environment> {
        let overrides = self.processor.overrides();
        let overrides = if self.against.is_some() {
            infra_gen::environments::Overrides {
                architecture: overrides.architecture,
                ..self.target.suffix()
            }
        } else {
            overrides
        };
        self.target.environment(&overrides)
    }
}

#[cfg(not(feature = "deploy"))]
impl Arguments {
    fn environment(&self) -> anyhow::Result<Environment> {
        Ok(Environment::by_name(&self.environment)?.with(&self.processor.overrides()))
    }
}

/// Comparing with what is deployed.
#[cfg(feature = "deploy")]
mod deployed {
    use std::io::{self, Write};

    use anyhow::bail;
    use infra_gen::{
        deploy::{DeployedStack, Session, Sources, StackState, of_unknown_packages, values},
        diff::{Difference, TemplateDocument, compare},
        environments::{Environment, Overrides},
        stack,
        template::{Format, Template},
    };

    use super::Against;
    use crate::commands::target::{Target, block_on, on_its_processor};

    pub(super) fn difference(
        target: &Target,
        environment: Environment,
        given: &Overrides,
    ) -> anyhow::Result<(Against, Difference)> {
        let name = target.stack_name()?.to_string();
        let difference = block_on(async {
            let session = target.session().await?;
            let stack = DeployedStack::find(&session, &name).await?;
            let stack = match stack {
                Some(stack) if !stack.status.holds_nothing() => stack,
                nothing => {
                    let why = nothing_there(nothing.as_ref(), &name, &session);
                    writeln!(io::stderr(), "{why}: all is new")?;
                    let (_, document) = synthesized(&environment)?;
                    return Ok(compare(&TemplateDocument::default(), &document));
                }
            };
            refuse_what_is_in_between(&stack, target)?;
            let old = stack.template(&session).await?.document;
            let mut note = None;
            let environment =
                on_its_processor(environment, given, Some(&old), |said| note = Some(said));
            if let Some(note) = note {
                writeln!(io::stderr(), "{note}")?;
            }
            let (new, document) = synthesized(&environment)?;
            // Where the packages are is no difference: that shows when there are some.
            let sources = Sources {
                given: &target.given(),
                filled: &of_unknown_packages(&stack.parameters),
                deployed: Some((&stack.parameters, &old)),
            };
            let values = values(&new, sources)?;
            let old = old.with_values(&stack.parameters);
            Ok(compare(&old, &document.with_values(&values)))
        })?;
        Ok((Against::Deployed { stack: name }, difference))
    }

    fn synthesized(environment: &Environment) -> anyhow::Result<(Template, TemplateDocument)> {
        let template = stack::synthesize(environment)?;
        let document = TemplateDocument::from_json(template.to_json(Format::CloudFormation)?)?;
        Ok((template, document))
    }

    fn nothing_there(stack: Option<&DeployedStack>, name: &str, session: &Session) -> String {
        let region = &session.region;
        match stack {
            Some(DeployedStack { status, .. }) => {
                format!("there is nothing in the stack {name} in {region}, which is {status}")
            }
            None => format!("there is no stack {name} in {region}"),
        }
    }

    /// What is in a stack that is changing, or that stopped halfway, is not what its template says.
    fn refuse_what_is_in_between(stack: &DeployedStack, target: &Target) -> anyhow::Result<()> {
        let DeployedStack { name, status, .. } = stack;
        if status.state() == StackState::Settled {
            return Ok(());
        }
        let remediation = status.remediation(&target.naming(name));
        bail!(
            "there is nothing certain to compare with: the stack {name} is {status}: {}\n  what to \
             do: {}",
            status.meaning(),
            remediation.unwrap_or_default()
        )
    }
}
