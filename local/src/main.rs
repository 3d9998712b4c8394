//! `local`: runs the development environment's stack on this machine until Ctrl-C.

mod arguments;
mod output;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Context as _;
use clap::Parser as _;
use contract::environment::StagePace;
use infra_gen::{environments::Environment, stack, template::Format};
use local::{LocalStack, Options};
use tokio::signal;
use typed_contract::environment::{LOG_LEVEL, Resource as _};

use crate::arguments::Arguments;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    output::log_to_standard_error();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let stack = LocalStack::start(options(arguments)?).await?;
    output::announce(&stack, arguments)?;
    stopped().await?;
    output::announce_shutdown(&stack, arguments);
    // A second Ctrl-C exits without waiting for the shutdown.
    tokio::select! {
        () = stack.shutdown() => {}
        _ = stopped() => {}
    }
    Ok(())
}

fn options(arguments: &Arguments) -> anyhow::Result<Options> {
    let template = stack::synthesize(&Environment::dev())
        .context("the template of the development environment cannot be synthesized")?;
    let mut options = Options::new(
        template.to_json(Format::CloudFormation)?,
        arguments.binaries()?,
    );
    options.port = arguments.port;
    options.allowed_hosts.clone_from(&arguments.allowed_hosts);
    options.data_dir.clone_from(&arguments.data_dir);
    options.show_logs = output::logs(arguments);
    for function in contract::functions::ALL {
        let level = (LOG_LEVEL.to_owned(), arguments.log_level.clone());
        let pace = (StagePace::VARIABLE.to_owned(), arguments.pace.to_string());
        options
            .environment
            .insert(function.name.to_owned(), BTreeMap::from([level, pace]));
    }
    Ok(options)
}

/// Returns on Ctrl-C and on SIGTERM.
async fn stopped() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())
            .context("the handler for SIGTERM cannot be installed")?;
        tokio::select! {
            interrupted = signal::ctrl_c() => interrupted.context("the handler for Ctrl-C cannot be installed"),
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    signal::ctrl_c()
        .await
        .context("the handler for Ctrl-C cannot be installed")
}
