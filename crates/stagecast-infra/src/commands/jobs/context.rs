//! What all commands for jobs share.

use std::io::{self, Write as _};

use stagecast_contract::{
    buckets::Objects, ids::JobId, messages::JobStatus, worker_queues::QueueName,
};
use stagecast_core::clock::Clock;
use stagecast_operator::{Operator, resources::Resources};
use typed_contract::buckets::Bucket as _;

use crate::{
    commands::{advice::advice_for_error, stack_names::StackNames, stack_options::StackOptions},
    project::Project,
};

/// The operator of the selected stack.
#[derive(Debug)]
pub(super) struct JobsContext {
    pub(super) operator: Operator,
    /// Whether it is no stack on AWS.
    pub(super) is_emulator: bool,
    /// The options that select the stack, for a shell.
    pub(super) options: String,
}

impl JobsContext {
    pub(super) async fn open(project: Project, options: &StackOptions) -> anyhow::Result<Self> {
        let session = options.session().await?;
        let names = StackNames::find(project, options, &session).await?;
        let resources = Resources::new(
            |table| names.table(table),
            names.bucket(Objects::SPEC)?,
            &project.product.all_queues(),
            |queue| names.queue(queue),
        )?;
        let config = session.config().clone();
        Ok(Self {
            operator: Operator::new(config, resources, Clock::system())?,
            is_emulator: session.endpoint().is_some(),
            options: options.to_shell(),
        })
    }
}

/// Prints the error of one job among several; the command continues with the next one.
pub(super) fn report(error: impl Into<anyhow::Error>) {
    let error = error.into();
    let advice = advice_for_error(&error);
    let advice = advice.map_or_else(String::new, |advice| format!("\n  help: {advice}"));
    // Standard error is closed; there is no other place to report that.
    let _ = writeln!(io::stderr(), "error: {error:#}{advice}");
}

/// Parses the id of a job.
pub(super) fn job_id(text: &str) -> Result<JobId, String> {
    text.parse()
        .map_err(|error: stagecast_contract::ids::InvalidId| error.to_string())
}

/// Parses the name of a status.
pub(super) fn status(text: &str) -> Result<JobStatus, String> {
    JobStatus::from_name(text).ok_or_else(|| {
        let names = JobStatus::ALL.iter().copied().map(JobStatus::name);
        let names: Vec<_> = names.collect();
        format!("use one of {}", names.join(", "))
    })
}

/// Parses a label, `name=value`.
pub(super) fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| "write it as NAME=VALUE, for example team=maps".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A queue of external workers that the product declares.
pub(super) fn declared_queue(project: Project, name: &str) -> anyhow::Result<QueueName> {
    let declared = project.product.worker_queues;
    if declared.contains(&name) {
        return Ok(name.parse()?);
    }
    let help = if declared.is_empty() {
        "the product declares none: its jobs wait for the pipeline; leave --queue out, or use --status queued"
            .to_owned()
    } else {
        format!("use one of {}", declared.join(", "))
    };
    anyhow::bail!("the product declares no queue of external workers '{name}'\n  help: {help}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_product;

    #[test]
    fn arguments_are_refused_with_what_to_write_instead() {
        assert_eq!(label("team=a=b"), Ok(("team".to_owned(), "a=b".to_owned())));
        assert!(label("team").is_err_and(|error| error.contains("NAME=VALUE")));
        assert!(label("=a").is_err());
        assert_eq!(status("failed"), Ok(JobStatus::Failed));
        assert!(status("error").is_err_and(|error| error.contains("awaiting_input, queued")));
        assert!(job_id("7").is_err_and(|error| error.contains("'7' is not a job id like")));
        let error = declared_queue(test_product::project(), "gpus").expect_err("undeclared");
        assert!(error.to_string().contains("plans"), "{error}");
    }
}
