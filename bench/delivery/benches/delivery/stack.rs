//! Runs the local stack with the measuring pipeline in place of the reference pipeline.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context as _;
use local_aws::{LocalStack, Options, Urls};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stagecast_infra::{environments::Environment, stack, template::Format};

use crate::stages::GO;

/// The addresses and names that the subscribers need.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StackAddresses {
    pub(crate) urls: Urls,
    /// The URL of `@connections`.
    pub(crate) connections: String,
    /// The name of the table of jobs.
    pub(crate) jobs: String,
    /// The name of the table of subscribers.
    pub(crate) subscribers: String,
}

/// Runs the stack with the functions in `binaries` until the process is killed. The laps start when the
/// file `go` exists.
pub(crate) fn run(binaries: PathBuf, go: &str) -> anyhow::Result<()> {
    let template = stack::synthesize(infra_gen::project(), &Environment::dev())?
        .to_json(Format::CloudFormation)?;
    let mut options = Options::new(template, binaries);
    options.stack_name = infra_gen::project().local_stack_name();
    let variables = BTreeMap::from([(GO.to_owned(), go.to_owned())]);
    options.environment.insert("pipeline".to_owned(), variables);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stack = LocalStack::start(options).await?;
        crate::print(&json!(addresses(&stack)?))?;
        tokio::signal::ctrl_c().await?;
        stack.shutdown().await;
        Ok(())
    })
}

fn addresses(stack: &LocalStack) -> anyhow::Result<StackAddresses> {
    let output = |name: &str| stack.outputs().get(name).cloned().context(name.to_owned());
    let urls = stack.urls().clone();
    Ok(StackAddresses {
        connections: format!(
            "{}/_aws/execute-api/{}/{}/@connections",
            urls.endpoint_url,
            output("WebSocketApiId")?,
            output("StageName")?,
        ),
        jobs: output("JobsTableName")?,
        subscribers: output("JobSubscribersTableName")?,
        urls,
    })
}
