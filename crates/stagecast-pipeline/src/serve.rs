//! The main function of the process: the runner on this thread, stages on others.

use aws_lambda_events::sqs::SqsEvent;
use granted_aws::{Environment, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use stagecast_core::clock::Clock;

use crate::{Handler, Pipeline, RunsJobs};

/// Runs the jobs of the queue through the pipeline that `build` returns, until Lambda ends the process.
/// `build` runs on the tokio runtime of the stages.
///
/// The runner has this thread, a separate tokio runtime and separate connections to AWS. A stage that
/// blocks cannot delay the renewal of leases, progress messages or the check for cancellations.
pub fn serve<F: RunsJobs, Output>(
    build: impl FnOnce(&Environment<F>) -> Result<Pipeline<Output, F>, Error>,
) -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(build))
}

async fn run<F: RunsJobs, Output>(
    build: impl FnOnce(&Environment<F>) -> Result<Pipeline<Output, F>, Error>,
) -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = granted_aws::load().await;
    let stages_aws = aws.with_separate_connections();
    let handler = Handler::new(&aws, &stages_aws, &environment, Clock::system(), || {
        build(&environment)
    })?;
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = event.context.deadline();
        match Box::pin(handler.handle(event.payload, deadline)).await {
            Ok(response) => Ok::<_, Error>(response),
            Err(stuck) => {
                tracing::error!(error = %stuck, "the process ends");
                // Without a response, Lambda replaces the process, and the queue delivers the job message
                // again. If the job has ended, that message starts no run.
                std::process::exit(1)
            }
        }
    }))
    .await
}
