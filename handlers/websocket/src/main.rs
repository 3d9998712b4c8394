//! The function that serves every route of the WebSocket API.

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use handlers_core::{aws, aws::Environment, clock::Clock, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use websocket::Handler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system())?;
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayWebsocketProxyRequest>| {
            Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await?)
        },
    ))
    .await
}
