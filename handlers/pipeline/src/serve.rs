//! The process of the function: the runner on this thread, stages on others.

use aws_lambda_events::sqs::SqsEvent;
use contract::functions::PipelineFunction;
use handlers_core::{aws, aws::Environment, clock::Clock, pipeline::Pipeline, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

use crate::Handler;

/// Runs the jobs of the queue through the pipeline that `build` answers with, until the process is
/// ended. `build` runs on the stages' tokio runtime.
///
/// The runner has this thread and a runtime to itself: what renews leases, publishes reports and
/// looks for cancellations shares neither with stages, nor connections to AWS.
pub fn serve<Output>(
    build: impl FnOnce(&Environment<PipelineFunction>) -> Result<Pipeline<Output>, Error>,
) -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(run(build))
}

async fn run<Output>(
    build: impl FnOnce(&Environment<PipelineFunction>) -> Result<Pipeline<Output>, Error>,
) -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system(), || build(&environment))?;
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = event.context.deadline();
        match Box::pin(handler.handle(event.payload, deadline)).await {
            Ok(response) => Ok::<_, Error>(response),
            Err(stuck) => {
                tracing::error!(error = %stuck, "the process ends");
                // No answer: Lambda replaces the process, and the ticket, if it is needed, is received
                // again.
                std::process::exit(1)
            }
        }
    }))
    .await
}
