//! The function that receives delivery tasks.

use aws_lambda_events::sqs::SqsEvent;
use delivery::Handler;
use handlers_core::{aws, aws::Environment, clock::Clock, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system());
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await)
    }))
    .await
}
