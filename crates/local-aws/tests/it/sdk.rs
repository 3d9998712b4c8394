//! Clients of the AWS SDK on services in the same process.

use std::sync::Arc;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use local_aws::{Call, Fault, InProcess, sdk_http_client};

use crate::harness::template;

fn client(services: &Arc<InProcess>) -> aws_sdk_sqs::Client {
    let credentials = Credentials::new("intake", services.secret(), None, None, "test");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url("http://127.0.0.1")
        .region(Region::from_static("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .http_client(sdk_http_client(Arc::clone(services)))
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

#[tokio::test]
async fn sdk_calls_reach_the_services_under_the_callers_name() {
    let services = Arc::new(InProcess::open(&template(), "shop").expect("the services"));
    let client = client(&services);
    let url = services.variable("echo", "WORK_QUEUE_URL").expect("a URL");
    let send = client.send_message().queue_url(url).message_body("order");
    send.send().await.expect("sent");
    let messages = services.queue_messages("work").expect("a queue");
    assert_eq!(messages, ["order"]);
    let call = Call {
        caller: "intake".to_owned(),
        operation: "sqs:SendMessage".to_owned(),
        resource: "work".to_owned(),
    };
    assert_eq!(services.calls().all().get(&call), Some(&1));
}

#[tokio::test]
async fn lost_response_is_a_connection_error_after_the_effect() {
    let services = Arc::new(InProcess::open(&template(), "shop").expect("the services"));
    services.faults().on_call(|_| Some(Fault::LostResponse));
    let send = client(&services).send_message().message_body("order");
    let send = send.queue_url("http://127.0.0.1/000000000000/work");
    let error = send.send().await.expect_err("no response");
    assert!(
        matches!(error, aws_sdk_sqs::error::SdkError::DispatchFailure(_)),
        "{error:?}"
    );
    let messages = services.queue_messages("work").expect("a queue");
    assert_eq!(messages, ["order"]);
}

#[tokio::test]
async fn test_answers_the_calls_of_a_service_that_is_not_emulated() {
    let services = InProcess::open(&template(), "shop").expect("the services");
    services.answer_other_services(|service, request| {
        let body = format!("{service}: {} bytes", request.body().len());
        (service == "sns").then(|| http::Response::new(body.into()))
    });
    let request = |service: &str| {
        let scope =
            format!("AWS4-HMAC-SHA256 Credential=intake/20261129/us-east-1/{service}/aws4_request");
        http::Request::post("http://127.0.0.1/")
            .header(http::header::AUTHORIZATION, scope)
            .body("Action=Publish".into())
            .expect("a request")
    };
    let answer = services.handle(request("sns")).await.expect("an answer");
    assert_eq!(answer.body(), "sns: 14 bytes");
    let refusal = services.handle(request("bedrock")).await;
    let refusal = refusal.expect("a refusal");
    let text = String::from_utf8_lossy(refusal.body());
    assert!(text.contains("does not serve bedrock"), "{text}");
}
