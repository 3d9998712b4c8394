//! The function that runs jobs.

use aws_lambda_events::sqs::SqsEvent;
use handlers_core::{aws, aws::Environment, clock::Clock, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use pipeline::{Handler, reference_pipeline};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let config = aws::load().await;
    let handler = Handler::new(&config, &environment, Clock::system(), reference_pipeline());
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = event.context.deadline();
        Ok::<_, Error>(Box::pin(handler.handle(event.payload, deadline)).await)
    }))
    .await
}
