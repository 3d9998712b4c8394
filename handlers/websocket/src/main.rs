//! The function that serves every route of the WebSocket API.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use granted_aws::{Environment, telemetry};
use handlers_core::clock::Clock;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use websocket::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = granted_aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system())?;
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
            Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await?)
        },
    ))
    .await
}
