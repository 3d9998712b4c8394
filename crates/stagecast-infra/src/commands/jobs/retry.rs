//! `infra-gen jobs retry`.

use std::io::{self, Write as _};

use clap::Args;
use stagecast_contract::ids::JobId;
use stagecast_operator::retry::RetriedJob;

use super::{
    context::{JobsContext, job_id, report},
    render,
};
use crate::{
    commands::{outcome::CommandOutcome, runtime::block_on, stack_options::StackOptions},
    project::Project,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    stack: StackOptions,
    /// The ids of failed or cancelled jobs.
    #[arg(value_name = "ID", required = true, value_parser = job_id)]
    ids: Vec<JobId>,
    /// Retry also jobs that were retried before.
    #[arg(long)]
    again: bool,
    /// Print each new job as a line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    block_on(async {
        let context = JobsContext::open(project, &arguments.stack).await?;
        let mut outcome = CommandOutcome::Done;
        for id in &arguments.ids {
            match context.operator.retry(id, arguments.again).await {
                Ok(retried) => {
                    let text = if arguments.json {
                        render::json_line(&retried)?
                    } else {
                        text(&retried)
                    };
                    io::stdout().write_all(text.as_bytes())?;
                }
                Err(error) => {
                    report(error);
                    outcome = CommandOutcome::Differs;
                }
            }
        }
        Ok(outcome)
    })
}

fn text(retried: &RetriedJob) -> String {
    let worker_key = retried.worker_key.as_ref();
    let worker_key = worker_key.map_or_else(String::new, |key| {
        format!("  worker key  {}\n", key.reveal())
    });
    format!(
        "{} retries {}\n  access key  {}\n{worker_key}",
        retried.job_id,
        retried.retry_of,
        retried.access_key.reveal()
    )
}
