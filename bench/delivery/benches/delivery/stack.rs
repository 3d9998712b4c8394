//! The local stack in a process of its own, with the measuring pipeline in the place of the
//! reference pipeline.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Context as _;
use infra_gen::{environments::Environment, stack, template::Format};
use local::{LocalStack, Options, Urls};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::stages::GO;

/// Where things are on the stack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) urls: Urls,
    /// The address of `@connections`.
    pub(crate) connections: String,
    /// The name of the table with the jobs.
    pub(crate) jobs: String,
    /// The name of the table with the subscribers.
    pub(crate) subscribers: String,
}

/// Runs the stack, whose functions' executables are in `binaries`, until the process is ended.
/// Laps begin once the file `go` exists.
pub(crate) fn run(binaries: PathBuf, go: &str) -> anyhow::Result<()> {
    let template = stack::synthesize(&Environment::dev())?.to_json(Format::CloudFormation)?;
    let mut options = Options::new(template, binaries);
    let variables = BTreeMap::from([(GO.to_owned(), go.to_owned())]);
    options.environment.insert("pipeline".to_owned(), variables);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stack = LocalStack::start(options).await?;
        crate::print(&json!(place(&stack)?))?;
        tokio::signal::ctrl_c().await?;
        stack.shutdown().await;
        Ok(())
    })
}

fn place(stack: &LocalStack) -> anyhow::Result<Place> {
    let output = |name: &str| stack.outputs().get(name).cloned().context(name.to_owned());
    let urls = stack.urls().clone();
    Ok(Place {
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
