//! The function that serves external workers.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use granted_aws::{Environment, telemetry};
use handlers_core::clock::Clock;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use worker::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = granted_aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system());
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await)
        },
    ))
    .await
}
