//! The main function of the process.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use granted_aws::{Environment, telemetry};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use stagecast_contract::input::InputRules;
use stagecast_core::clock::Clock;

use crate::Handler;

/// Serves requests until Lambda ends the process. `input_rules` describe the inputs that the pipeline
/// accepts.
#[tokio::main(flavor = "current_thread")]
pub async fn serve(input_rules: &'static InputRules) -> Result<(), Error> {
    telemetry::init();
    let environment = Environment::load()?;
    let aws = granted_aws::load().await;
    let handler = Handler::new(&aws, &environment, Clock::system(), input_rules)?;
    aws.warm(&environment).await;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            Ok::<_, Error>(Box::pin(handler.handle(event.payload)).await)
        },
    ))
    .await
}
