//! `infra-gen diff`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{
    diff::{Difference, Source, Summary, TemplateDocument, compare},
    environments::{Environment, Overrides},
    generated::template_path,
    project::Project,
    stack,
    template::Format,
};
use anyhow::Context;
use clap::Args;
use serde::Serialize;

#[cfg(feature = "deploy")]
use super::stack_options::StackOptions;
use super::{
    architecture::ArchitectureOptions,
    outcome::CommandOutcome,
    page::PageOptions,
    workspace::{GENERATED, workspace},
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Compare with this template file, or with the generated template of this Git revision.
    /// Default: the template of the deployed stack.
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
    stack: StackOptions,
    #[command(flatten)]
    architecture: ArchitectureOptions,
    #[command(flatten)]
    page: PageOptions,
    /// Environment whose template is compared.
    #[cfg(not(feature = "deploy"))]
    #[arg(long, value_name = "NAME", default_value = "dev")]
    environment: String,
    /// Print the difference as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct JsonDifference<'a> {
    environment: &'a str,
    against: &'a Against,
    summary: Summary,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// What the code's template is compared with.
#[derive(Serialize)]
#[serde(untagged)]
enum Against {
    Template(Source),
    #[cfg(feature = "deploy")]
    Deployed {
        stack: String,
    },
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let environment = arguments.environment(project)?;
    let name = environment.name;
    let (against, difference) = match &arguments.against {
        Some(source) => {
            let difference = template_difference(project, &environment, source)?;
            (Against::Template(source.clone()), difference)
        }
        #[cfg(feature = "deploy")]
        None => {
            let (stack, difference) = deployed::difference(
                project,
                &arguments.stack,
                environment,
                deployed::Chosen {
                    architecture: arguments.architecture.chosen(),
                    page: arguments.page.chosen(),
                },
            )?;
            (Against::Deployed { stack }, difference)
        }
        #[cfg(not(feature = "deploy"))]
        None => anyhow::bail!("there is nothing to compare with\n  help: give --against"),
    };
    let printed = if arguments.json {
        let json = JsonDifference {
            environment: name,
            against: &against,
            summary: difference.summary(),
            difference: &difference,
        };
        serde_json::to_string_pretty(&json)? + "\n"
    } else {
        difference.to_string()
    };
    io::stdout()
        .write_all(printed.as_bytes())
        .context("cannot print the difference")?;
    Ok(if difference.is_empty() {
        CommandOutcome::Done
    } else {
        CommandOutcome::Differs
    })
}

/// Compares with a file or a Git revision, in the format of the template there.
fn template_difference(
    project: Project,
    environment: &Environment,
    source: &Source,
) -> anyhow::Result<Difference> {
    let new = stack::synthesize(project, environment)?;
    let root = match source {
        Source::Revision(_) => workspace()?,
        Source::File(_) => PathBuf::new(),
    };
    let generated = Path::new(GENERATED).join(template_path(environment.name, Format::Sam));
    let old = source.read(&root, &generated)?;
    let format = if old.has_transform() {
        Format::Sam
    } else {
        Format::CloudFormation
    };
    let new = TemplateDocument::from_json(new.to_json(format)?)?;
    Ok(compare(&old, &new))
}

#[cfg(feature = "deploy")]
impl Arguments {
    /// A deployed stack has its suffix as a parameter; a template file has it as the default of
    /// that parameter.
    fn environment(&self, project: Project) -> anyhow::Result<Environment> {
        let suffix = if self.against.is_some() {
            self.stack.suffix()
        } else {
            Overrides::default()
        };
        let overrides = Overrides {
            name_suffix: suffix.name_suffix,
            ..self.overrides()
        };
        self.stack.environment(project, &overrides)
    }
}

#[cfg(not(feature = "deploy"))]
impl Arguments {
    fn environment(&self, project: Project) -> anyhow::Result<Environment> {
        Ok(project
            .environment(&self.environment)?
            .with(&self.overrides()))
    }
}

impl Arguments {
    fn overrides(&self) -> Overrides {
        Overrides {
            page: self.page.chosen(),
            ..self.architecture.overrides()
        }
    }
}

/// Compares with the deployed stack.
#[cfg(feature = "deploy")]
mod deployed {
    use std::io::{self, Write};

    use crate::{
        deploy::{
            AwsSession, DeployedStack, ParameterSources, StackState, deployed_package_parameters,
            resolve_parameters,
        },
        diff::{Difference, TemplateDocument, compare},
        environments::{Architecture, Environment},
        project::Project,
        stack,
        template::{Format, Template},
    };
    use anyhow::bail;

    use crate::commands::{
        architecture::{kept_architecture, kept_architecture_note},
        hints::Hints,
        page::{KEPT_PAGE_NOTE, keeps_page},
        runtime::block_on,
        stack_options::StackOptions,
    };

    /// What the command line chooses; it takes precedence over what is deployed.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Chosen {
        pub(super) architecture: Option<Architecture>,
        pub(super) page: Option<bool>,
    }

    /// The name of the stack, and the difference from its template.
    pub(super) fn difference(
        project: Project,
        options: &StackOptions,
        mut environment: Environment,
        chosen: Chosen,
    ) -> anyhow::Result<(String, Difference)> {
        let name = options.stack_name(project)?.to_string();
        let hints = Hints::new(project, "diff", "", options);
        let difference = block_on(async {
            let session = options.session().await?;
            let stack = match DeployedStack::find(&session.cloudformation, &name).await? {
                Some(stack) if !stack.status.has_no_resources() => stack,
                other => {
                    let why = nothing_deployed(other.as_ref(), &name, &session);
                    writeln!(io::stderr(), "{why}: everything is new")?;
                    let (_, document) = synthesized(project, &environment)?;
                    return Ok(compare(&TemplateDocument::default(), &document));
                }
            };
            require_ready(&stack, &hints)?;
            let old = stack.template(&session.cloudformation).await?.document;
            if let Some(kept) = kept_architecture(&environment, chosen.architecture, Some(&old)) {
                let note = kept_architecture_note(kept, environment.architecture);
                writeln!(io::stderr(), "{note}")?;
                environment.architecture = kept;
            }
            if keeps_page(&environment, chosen.page, Some(&old)) {
                writeln!(io::stderr(), "{KEPT_PAGE_NOTE}")?;
                environment.page = true;
            }
            let (new, document) = synthesized(project, &environment)?;
            // The functions' code is not compared, so the locations of its packages stay.
            let sources = ParameterSources {
                given: &options.parameters(),
                packages: &deployed_package_parameters(project.product, &stack.parameters),
                deployed: Some((&stack.parameters, &old)),
            };
            let values = resolve_parameters(&new, sources)?;
            let old = old.with_values(&stack.parameters);
            Ok(compare(&old, &document.with_values(&values)))
        })?;
        Ok((name, difference))
    }

    fn synthesized(
        project: Project,
        environment: &Environment,
    ) -> anyhow::Result<(Template, TemplateDocument)> {
        let template = stack::synthesize(project, environment)?;
        let document = TemplateDocument::from_json(template.to_json(Format::CloudFormation)?)?;
        Ok((template, document))
    }

    fn nothing_deployed(stack: Option<&DeployedStack>, name: &str, session: &AwsSession) -> String {
        let region = &session.region;
        match stack {
            Some(DeployedStack { status, .. }) => {
                format!("the stack {name} in {region} has no resources, it is {status}")
            }
            None => format!("there is no stack {name} in {region}"),
        }
    }

    /// The resources of a stack that is being updated, or whose update failed halfway, are not those
    /// of its template.
    fn require_ready(stack: &DeployedStack, hints: &Hints<'_>) -> anyhow::Result<()> {
        let DeployedStack { name, status, .. } = stack;
        if status.state() == StackState::Ready {
            return Ok(());
        }
        let remediation = status.remediation();
        let help = remediation.map_or_else(String::new, |it| hints.remediation(name, it));
        bail!(
            "cannot compare with the stack {name}: it is {status}: {}\n  help: {help}",
            status.meaning(),
        )
    }
}
