//! The function that runs jobs.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use contract::{environment::StagePace, functions::PipelineFunction};
use handlers_core::{aws, aws::Environment, clock::Clock, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use pipeline::{Handler, reference_pipeline};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::<PipelineFunction>::load()?;
    let aws = aws::load().await;
    let pace = environment.get::<StagePace>();
    let pace = pace.parse().map_err(|_| {
        format!("STAGE_PACE_MS is '{pace}'; it must be a whole number of milliseconds")
    })?;
    let stages = reference_pipeline(Duration::from_millis(pace));
    let handler = Handler::new(&aws, &environment, Clock::system(), stages);
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = event.context.deadline();
        Ok::<_, Error>(Box::pin(handler.handle(event.payload, deadline)).await)
    }))
    .await
}
