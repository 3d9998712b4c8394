//! Runs the stack until Ctrl-C.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::Parser as _;
use local_aws::{LocalStack, Options};
use stagecast_contract::{
    environment,
    webhooks::{WebhookEndpoint, WebhookRules},
};
use stagecast_infra::{
    environments::{Environment, Webhooks},
    stack,
    template::Format,
};
use tokio::signal;
use typed_contract::environment::{LOG_LEVEL, Setting as _};

use crate::{Local, arguments::Arguments, output, secrets, site::ProductSite, worker_token};

#[tokio::main]
pub(crate) async fn until_stopped(local: &Local) -> ExitCode {
    let arguments = Arguments::parse();
    output::log_to_standard_error();
    match run(local, &arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(local: &Local, arguments: &Arguments) -> anyhow::Result<()> {
    worker_token::check_variable()?;
    let options = options(local, arguments)?;
    let project = local.project;
    let missing_secrets = secrets::missing(
        &project.product.all_functions(),
        &local_environment(local, arguments)?,
        &options.secrets,
    );
    let stack = LocalStack::start(options).await?;
    let worker_token = worker_token::make(local, &stack)?;
    output::announce(
        local,
        &stack,
        arguments,
        worker_token.as_ref(),
        &missing_secrets,
    )?;
    stopped().await?;
    output::announce_shutdown(&stack, arguments);
    // A second Ctrl-C exits without waiting for the shutdown.
    tokio::select! {
        () = stack.shutdown() => {}
        _ = stopped() => {}
    }
    Ok(())
}

/// The environment `dev`, without what the local stack does itself, and with the endpoint of the arguments.
fn local_environment(local: &Local, arguments: &Arguments) -> anyhow::Result<Environment> {
    let development = local.project.development()?;
    let webhooks = match &arguments.webhook {
        Some(endpoint) => Webhooks::Endpoint(endpoint.clone()),
        None => development.webhooks.clone(),
    };
    Ok(Environment {
        // The local stack itself serves the page.
        page: false,
        webhooks,
        ..development
    })
}

fn options(local: &Local, arguments: &Arguments) -> anyhow::Result<Options> {
    let project = local.project;
    let environment = local_environment(local, arguments)?;
    let template = stack::synthesize(project, &environment)
        .context("the template of the development environment cannot be synthesized")?;
    let mut options = Options::new(
        template.to_json(Format::CloudFormation)?,
        arguments.binaries()?,
    );
    options.stack_name = project.local_stack_name();
    options.site = Some(Arc::new(ProductSite::new(local)));
    options.names.port = "--port";
    options.names.allowed_hosts = "--allow-host";
    options.names.data_dir = "--data-dir";
    options.names.binaries = "--bin-dir";
    options.names.secrets = "--secret NAME=VALUE or in .stagecast/secrets.toml";
    options.secrets = secrets::read(&local.workspace, &arguments.secrets)?;
    options.port = arguments.port;
    options.allowed_hosts.clone_from(&arguments.allowed_hosts);
    options.data_dir.clone_from(&arguments.data_dir);
    options.show_logs = output::logs(arguments);
    let functions = project.product.all_functions();
    for (variable, _) in &arguments.settings {
        let mut settings = functions.iter().flat_map(|function| function.settings);
        anyhow::ensure!(
            settings.any(|setting| setting.variable == variable),
            "--setting {variable}: no function has a setting with this environment variable"
        );
    }
    for function in functions {
        let own = local.settings.iter();
        let own = own.map(|(variable, value)| ((*variable).to_owned(), value.clone()));
        let mut variables: std::collections::BTreeMap<_, _> = own
            .chain(arguments.webhook.clone().map(webhooks_setting))
            .chain(arguments.settings.iter().cloned())
            .filter(|(variable, _)| {
                let mut settings = function.settings.iter();
                settings.any(|setting| setting.variable == variable)
            })
            .collect();
        variables.insert(LOG_LEVEL.to_owned(), arguments.log_level.clone());
        options
            .environment
            .insert(function.name.to_owned(), variables);
    }
    Ok(options)
}

/// The setting for webhooks to this endpoint. Only here can it be on this machine: the template's setting does not
/// permit that.
fn webhooks_setting(endpoint: WebhookEndpoint) -> (String, String) {
    let rules = WebhookRules {
        endpoint: Some(endpoint),
        allow_loopback: true,
        ..WebhookRules::default()
    };
    let variable = environment::Webhooks::SPEC.variable.to_owned();
    (variable, rules.to_setting())
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
