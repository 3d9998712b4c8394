//! The command line of infra-gen.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

#[cfg(feature = "deploy")]
use crate::commands::{self, deploy, destroy, jobs, logs, outputs, package, worker_tokens};
use crate::{
    commands::{CommandOutcome, check, diff, new, synth},
    project::Project,
};

/// Builds the infrastructure of a product from its code.
#[derive(Debug, Parser)]
#[command(name = "infra-gen", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the workspace of a new product.
    New(new::Arguments),
    /// Write the generated files, or compare them with the existing ones.
    Synth(synth::Arguments),
    /// Find errors that neither the compiler nor CloudFormation's schemas detect, and run validators.
    Check(check::Arguments),
    /// Show what deploying the code's template would change; the functions' code is not compared.
    Diff(diff::Arguments),
    /// Build the functions and write their packages.
    #[cfg(feature = "deploy")]
    Package(package::Arguments),
    /// Deploy the stack.
    #[cfg(feature = "deploy")]
    Deploy(deploy::Arguments),
    /// Delete the stack.
    #[cfg(feature = "deploy")]
    Destroy(destroy::Arguments),
    /// Print the stack's outputs: URLs, names, ids.
    #[cfg(feature = "deploy")]
    Outputs(outputs::Arguments),
    /// Make, list and revoke the tokens of workers that claim jobs from queues.
    #[cfg(feature = "deploy")]
    WorkerTokens(worker_tokens::Arguments),
    /// List, show, watch, cancel and retry jobs, and move dead letters back.
    #[cfg(feature = "deploy")]
    Jobs(jobs::Arguments),
    /// Print the log records of the stack's functions in the order of time, or follow them.
    #[cfg(feature = "deploy")]
    Logs(logs::Arguments),
}

/// The exit code that a shell reports for a program that SIGPIPE ended, for example in a pipe to
/// `head`.
const BROKEN_PIPE: u8 = 128 + 13;

/// Whether the command failed because the reader of standard output closed the pipe.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// The line with advice that the error itself does not give.
#[cfg(feature = "deploy")]
fn advice(error: &anyhow::Error) -> String {
    let advice = commands::advice::advice_for_error(error);
    advice.map_or_else(String::new, |advice| format!("\n  help: {advice}"))
}

#[cfg(not(feature = "deploy"))]
fn advice(_: &anyhow::Error) -> &'static str {
    ""
}

/// Runs the command line of a product's `infra-gen`, and returns the exit code: 0 if the command did what was
/// asked, 1 if it failed or found a difference, 2 for an invalid command line.
pub fn main(project: Project) -> ExitCode {
    // Clap exits with 2 for an invalid command line.
    let matches = with_environments(Arguments::command(), project).get_matches();
    let command = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments.command,
        Err(error) => error.exit(),
    };
    let (result, failure) = match command {
        Command::New(arguments) => (new::run(&arguments), ExitCode::FAILURE),
        Command::Synth(arguments) => (synth::run(project, &arguments), ExitCode::FAILURE),
        Command::Check(arguments) => (check::run(project, &arguments), ExitCode::FAILURE),
        // As for diff(1), 1 means "they differ".
        Command::Diff(arguments) => (diff::run(project, &arguments), ExitCode::from(2)),
        #[cfg(feature = "deploy")]
        Command::Package(arguments) => (package::run(project, &arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Deploy(arguments) => (deploy::run(project, &arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Destroy(arguments) => (destroy::run(project, &arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Outputs(arguments) => (outputs::run(project, &arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::WorkerTokens(arguments) => {
            (worker_tokens::run(project, &arguments), ExitCode::FAILURE)
        }
        #[cfg(feature = "deploy")]
        Command::Jobs(arguments) => (jobs::run(project, &arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Logs(arguments) => (logs::run(project, &arguments), ExitCode::FAILURE),
    };
    match result {
        Ok(CommandOutcome::Done) => ExitCode::SUCCESS,
        Ok(CommandOutcome::Differs) => ExitCode::FAILURE,
        Ok(CommandOutcome::Exit(code)) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::from(BROKEN_PIPE),
        Err(error) => {
            // Standard error is closed; there is no other place to report that.
            let _ = writeln!(io::stderr(), "error: {error:#}{}", advice(&error));
            failure
        }
    }
}

/// Validates the option `--environment` of every subcommand: the error lists the product's environments.
fn with_environments(command: clap::Command, project: Project) -> clap::Command {
    command.mut_subcommands(|subcommand| {
        let subcommand = with_environments(subcommand, project);
        let has_option = subcommand
            .get_arguments()
            .any(|argument| argument.get_id() == "environment");
        if !has_option {
            return subcommand;
        }
        subcommand.mut_arg("environment", |argument| {
            argument.value_parser(move |name: &str| {
                let environment = project.environment(name);
                environment.map(|environment| environment.name.to_owned())
            })
        })
    })
}
