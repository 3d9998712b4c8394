//! Changes that are not executed: those that AWS would refuse, and those that would lose data.

use crate::{
    check,
    deploy::data_loss_changes,
    diff::{Difference, ResourceChange},
    environments::{Environment, JobCreation},
};
use anyhow::bail;

use super::{context::DeployContext, plan::StackToDeploy};
use crate::commands::{page::page_bucket, terminal::Terminal};

/// Refuses changes that AWS would refuse, and losses of data that the user has not agreed to.
pub(super) fn require_accepted(
    context: &DeployContext,
    stack: &StackToDeploy,
    difference: &Difference,
) -> anyhow::Result<()> {
    refuse_invalid_changes(context, difference)?;
    refuse_data_loss(context, stack, difference)
}

/// AWS would refuse these changes during the update, and CloudFormation would roll back all others.
fn refuse_invalid_changes(context: &DeployContext, difference: &Difference) -> anyhow::Result<()> {
    let refused = difference.refused();
    let lines: Vec<_> = refused
        .map(|change| {
            let refusals = change.refusals.iter();
            let refusals = refusals.map(|it| format!("\n      {}\n      {}", it.reason, it.help));
            format!("\n    {}{}", line(change), refusals.collect::<String>())
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    bail!(
        "AWS will refuse these changes:{}\n  the stack {} was not changed\n  help: see the second \
         line below each change",
        lines.concat(),
        context.request.stack_name
    )
}

fn refuse_data_loss(
    context: &DeployContext,
    stack: &StackToDeploy,
    difference: &Difference,
) -> anyhow::Result<()> {
    let mut lossy = data_loss_changes(difference);
    // The files of the page exist elsewhere, and --no-page agrees to their deletion.
    let page_bucket = page_bucket();
    lossy.retain(|change| !(stack.removes_page() && change.logical_id == page_bucket));
    if lossy.is_empty() || context.request.consent.replacement {
        return Ok(());
    }
    let lines: Vec<_> = lossy.into_iter().map(line).collect();
    bail!(
        "these changes would lose the data in the resources:\n    {}\n  the stack {} was not \
         changed\n  help: revert the changes of these resources, or give --allow-replacement",
        lines.join("\n    "),
        context.request.stack_name
    )
}

fn line(change: &ResourceChange) -> String {
    format!(
        "{} {} ({})",
        change.action.sign(),
        change.logical_id,
        change.kind
    )
}

/// Refuses an environment in which no job could be created, or no token verified.
pub(super) fn require_tokens(environment: &Environment) -> anyhow::Result<()> {
    let finding = check::missing_tokens(environment).or_else(|| check::local_keys(environment));
    let Some(finding) = finding else {
        return Ok(());
    };
    bail!(
        "the environment {}: {}\n  help: change the environment where the project declares it",
        finding.subject,
        finding.sentence
    )
}

/// The APIs are public. Whether anyone may create jobs is the environment's choice.
pub(super) fn warn_of_anonymous_jobs(environment: &Environment, terminal: &Terminal) {
    let name = environment.name;
    if environment.job_authorizer.is_none() && environment.job_creation == JobCreation::Anyone {
        terminal.warn(format!(
            "anyone who knows the URL can create jobs: the environment {name} has neither a job_authorizer \
             nor `job_creation: JobCreation::TokenHolders`; set one of them where the project declares its \
             environments"
        ));
    }
}
