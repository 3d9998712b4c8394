//! `infra-gen jobs`: what an operator does with the jobs of a stack.

mod cancel;
mod context;
#[cfg(test)]
mod examples;
mod list;
mod redrive;
mod render;
mod retry;
mod show;
mod watch;

use clap::{Args, Subcommand};

use super::outcome::CommandOutcome;
use crate::project::Project;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List jobs: those that wait in a queue, those of an owner, or all, the latest change first.
    List(list::Arguments),
    /// Show everything about one job: its state, lease, attempts, limits, artifacts and log.
    Show(show::Arguments),
    /// Follow jobs until they end, with progress bars on a terminal and JSON lines in a pipe.
    Watch(watch::Arguments),
    /// Cancel jobs, as their clients would.
    Cancel(cancel::Arguments),
    /// Run failed or cancelled jobs again, each as a new job with the same input.
    Retry(retry::Arguments),
    /// List the dead letters with their jobs, and move them back to their queues.
    Redrive(redrive::Arguments),
}

pub(crate) fn run(project: Project, arguments: &Arguments) -> anyhow::Result<CommandOutcome> {
    match &arguments.action {
        Action::List(arguments) => list::run(project, arguments),
        Action::Show(arguments) => show::run(project, arguments),
        Action::Watch(arguments) => watch::run(project, arguments),
        Action::Cancel(arguments) => cancel::run(project, arguments),
        Action::Retry(arguments) => retry::run(project, arguments),
        Action::Redrive(arguments) => redrive::run(project, arguments),
    }
}
