//! The function that receives delivery tasks.

use aws_lambda_events::sqs::SqsEvent;
use delivery::Handler;
use granted_aws::{Environment, telemetry};
use handlers_core::clock::Clock;
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = granted_aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system());
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await)
    }))
    .await
}
