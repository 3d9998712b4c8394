//! `infra-gen jobs cancel`.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::json;
use stagecast_contract::{ids::JobId, messages::JobStatus};
use stagecast_operator::Cancellation;

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
    /// The ids of the jobs.
    #[arg(value_name = "ID", required = true, value_parser = job_id)]
    ids: Vec<JobId>,
    /// Print the result of each job as a line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    block_on(async {
        let context = JobsContext::open(project, &arguments.stack).await?;
        let mut outcome = CommandOutcome::Done;
        for id in &arguments.ids {
            match context.operator.cancel(id).await {
                Ok(cancellation) => {
                    outcome = outcome.and(print(id, cancellation, arguments.json)?);
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

/// Prints the result of one job. A job that ended otherwise is not cancelled, so the command fails.
fn print(id: &JobId, cancellation: Cancellation, json: bool) -> anyhow::Result<CommandOutcome> {
    let finished = match cancellation {
        Cancellation::Requested => None,
        Cancellation::AlreadyFinished(status) => status,
    };
    let text = if json {
        let status = finished.map(JobStatus::name);
        render::json_line(&json!({
            "job_id": id,
            "cancel_requested": finished.is_none(),
            "already_finished": status,
        }))?
    } else {
        match finished {
            None => format!("{id}  cancellation requested\n"),
            Some(status) => format!("{id}  not changed: it is {} already\n", status.name()),
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(match finished {
        None | Some(JobStatus::Cancelled) => CommandOutcome::Done,
        Some(_) => CommandOutcome::Differs,
    })
}
