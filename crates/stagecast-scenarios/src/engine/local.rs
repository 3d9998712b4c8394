//! Local stacks.

use std::{path::PathBuf, time::Duration};

use local_aws::{LocalStack, Options};
use stagecast_infra::{Project, stack, template::Format};

/// Starts a local stack of the environment `dev` with options.
///
/// It has no authorizers: a test has no token of the product's identity provider.
pub(crate) async fn start(
    project: Project,
    executables: PathBuf,
    adjust: impl FnOnce(&mut Options),
) -> LocalStack {
    let mut environment = project
        .development()
        .unwrap_or_else(|error| panic!("no stack for the scenarios: {error}"));
    environment.connect_authorizer = None;
    environment.job_authorizer = None;
    let template = stack::synthesize(project, &environment)
        .unwrap_or_else(|error| panic!("the stack cannot be synthesized: {error}"));
    let template = template
        .to_json(Format::CloudFormation)
        .unwrap_or_else(|error| panic!("the template cannot be rendered: {error}"));
    let mut options = Options::new(template, executables);
    options.stack_name = project.local_stack_name();
    // Unoptimised functions on a busy machine need more time than deployed ones.
    for (function, seconds) in [
        ("websocket", 29),
        ("jobs", 29),
        ("worker", 29),
        ("delivery", 90),
    ] {
        let timeout = Duration::from_secs(seconds);
        options
            .function_timeouts
            .insert(function.to_owned(), timeout);
    }
    adjust(&mut options);
    let started = LocalStack::start(options).await;
    started.unwrap_or_else(|error| panic!("the local stack does not start: {error}"))
}
