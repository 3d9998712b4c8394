//! The command line of infra-gen.

mod commands;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use commands::{check, diff, synth};
#[cfg(feature = "deploy")]
use commands::{deploy, destroy, outputs, package};

/// Builds Stagecast's infrastructure from its code.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the templates, or compare them with what is there.
    Synth(synth::Arguments),
    /// Look for what neither the compiler nor CloudFormation's schemas see, and ask validators.
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
    /// Print what the stack tells: URLs, names, ids.
    #[cfg(feature = "deploy")]
    Outputs(outputs::Arguments),
}

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// As asked.
    Done,
    /// It was not the same, or not right.
    Differs,
}

impl Outcome {
    fn and(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }
}

/// How a shell reports a program that SIGPIPE ended, as it ends most that write to `head`.
const BROKEN_PIPE: u8 = 128 + 13;

/// Whether the reader of standard output has gone: it has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn main() -> ExitCode {
    // Clap itself exits with 2 on what it does not understand.
    let (result, failure) = match Arguments::parse().command {
        Command::Synth(arguments) => (synth::run(&arguments), ExitCode::FAILURE),
        Command::Check(arguments) => (check::run(&arguments), ExitCode::FAILURE),
        // As in diff(1), 1 is kept for "they differ".
        Command::Diff(arguments) => (diff::run(&arguments), ExitCode::from(2)),
        #[cfg(feature = "deploy")]
        Command::Package(arguments) => (package::run(&arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Deploy(arguments) => (deploy::run(&arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Destroy(arguments) => (destroy::run(&arguments), ExitCode::FAILURE),
        #[cfg(feature = "deploy")]
        Command::Outputs(arguments) => (outputs::run(&arguments), ExitCode::FAILURE),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => ExitCode::FAILURE,
        Err(error) if is_broken_pipe(&error) => ExitCode::from(BROKEN_PIPE),
        Err(error) => {
            // There is nobody left to tell if this fails.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            failure
        }
    }
}
