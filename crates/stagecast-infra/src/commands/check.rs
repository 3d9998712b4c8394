//! `infra-gen check`.

use std::io::{self, Write};

use crate::{
    cargo_workspace::CargoWorkspace,
    check::{self, Finding, Severity, Wire, broken_by, validators::Answers},
    environments::Environment,
    generated::{self, Selection},
    project::Project,
    stack,
};
use anyhow::Context;
use clap::Args;

use super::{
    outcome::CommandOutcome,
    workspace::{GENERATED, workspace},
};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Check this environment only.
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Do not run cfn-lint and cloudformation-validate.
    #[arg(long)]
    no_validators: bool,
    /// Fail if a validator is not installed in the pinned version.
    #[arg(long, conflicts_with = "no_validators")]
    require_validators: bool,
    /// Find changes of the protocol that break programs of an earlier version: a Git revision, such as the tag of the last release,
    /// or a folder with its generated files. Nothing else is checked.
    #[arg(
        long,
        value_name = "REVISION|FOLDER",
        conflicts_with_all = ["environment", "no_validators", "require_validators"],
    )]
    against: Option<String>,
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    let mut output = io::stdout();
    if let Some(source) = &arguments.against {
        let old = Wire::find(source, &workspace()?, GENERATED)?;
        let new = Wire::of(&generated::files(project)?)?;
        return Ok(print_findings(
            &mut output,
            "protocol",
            &broken_by(&old, &new),
        )?);
    }
    let environments = project.environments();
    let mut findings = check::shared_suffixes(&environments);
    let is_checked = |it: &&Environment| {
        arguments
            .environment
            .as_deref()
            .is_none_or(|name| it.name == name)
    };
    let checked = environments.iter().filter(is_checked);
    findings.extend(checked.flat_map(|it| {
        [check::missing_tokens(it), check::local_keys(it)]
            .into_iter()
            .flatten()
    }));
    let mut outcome = print_findings(&mut output, "environments", &findings)?;
    let executables =
        check::missing_executables(project.product, &CargoWorkspace::read(&workspace()?));
    outcome = outcome.and(print_findings(&mut output, "executables", &executables)?);
    for environment in &environments {
        let name = environment.name;
        if arguments.environment.as_deref().is_none_or(|it| it == name) {
            let template = stack::synthesize(project, environment)?;
            outcome = outcome.and(print_findings(
                &mut output,
                name,
                &check::findings(&template)?,
            )?);
        }
    }
    if !arguments.no_validators {
        outcome = outcome.and(print_findings(
            &mut output,
            "validators",
            &validate(project, arguments)?,
        )?);
    }
    Ok(outcome)
}

/// Runs the validators on the templates, as `synth` would write them.
fn validate(project: Project, arguments: &Arguments) -> anyhow::Result<Vec<Finding>> {
    let folder =
        tempfile::tempdir().context("cannot create a temporary folder for the templates")?;
    let files = generated::templates(
        project,
        &Selection {
            environment: arguments.environment.clone(),
            ..Selection::default()
        },
    )?;
    generated::write(&files, folder.path())?;
    let templates: Vec<_> = files
        .iter()
        .map(|file| folder.path().join(&file.path))
        .collect();
    let answers = Answers::about(&templates)?;
    let mut findings = answers.findings();
    let severity = if arguments.require_validators {
        Severity::Problem
    } else {
        Severity::Note
    };
    findings.extend(answers.absent(severity));
    if arguments.environment.is_none() {
        findings.extend(answers.outdated());
    }
    Ok(findings)
}

fn print_findings(
    output: &mut impl Write,
    subject: &str,
    findings: &[Finding],
) -> io::Result<CommandOutcome> {
    let problems = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Problem)
        .count();
    match problems {
        0 => writeln!(output, "{subject}: no problems")?,
        1 => writeln!(output, "{subject}: 1 problem")?,
        _ => writeln!(output, "{subject}: {problems} problems")?,
    }
    for finding in findings {
        writeln!(output, "  {finding}")?;
    }
    Ok(if problems == 0 {
        CommandOutcome::Done
    } else {
        CommandOutcome::Differs
    })
}
