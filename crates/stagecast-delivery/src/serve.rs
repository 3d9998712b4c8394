//! The main function of the process.

use aws_lambda_events::sqs::SqsEvent;
use granted_aws::{Environment, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use stagecast_core::clock::Clock;

use crate::Handler;

/// Serves the function's events until Lambda ends the process.
#[tokio::main(flavor = "current_thread")]
pub async fn serve() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = granted_aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system())?;
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await)
    }))
    .await
}
