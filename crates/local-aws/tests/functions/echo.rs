//! A function for the tests of the local stack. The event selects its behaviour.
//!
//! - HTTP: `/v1/echo/{name}` returns the event. The names `fail`, `crash`, `sleep`, `large`, `bare`,
//!   `cookies` and `environment` select other responses.
//! - WebSocket: the query of `$connect` selects its response. A message's event is posted back.
//! - Authorizer: the query parameter `token` selects the decision.
//! - SQS: a message `fail` is reported as failed, a message `crash` ends the process.

use std::{env, process, time::Duration};

use aws_sdk_apigatewaymanagement::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    primitives::Blob,
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = connections();
    let client = &client;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let (event, context) = event.into_parts();
        if event.get("Records").is_some() {
            return Ok(queue(&event));
        }
        if event["type"] == "REQUEST" {
            return authorizer(&event);
        }
        if event["version"] == "2.0" {
            let mut answer = http(event).await?;
            answer["headers"]["x-deadline"] = context.deadline.to_string().into();
            return Ok(answer);
        }
        websocket(client, event).await
    }))
    .await
}

fn connections() -> Client {
    let endpoint = env::var("AWS_ENDPOINT_URL").unwrap_or_default();
    let api = env::var("WEBSOCKET_API_ID").unwrap_or_default();
    let stage = env::var("WEBSOCKET_STAGE").unwrap_or_default();
    let key = env::var("AWS_ACCESS_KEY_ID").unwrap_or_default();
    let secret = env::var("AWS_SECRET_ACCESS_KEY").unwrap_or_default();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("{endpoint}/_aws/execute-api/{api}/{stage}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, secret, None, None, "environment"))
        .build();
    Client::from_conf(config)
}

/// The response of an authorizer of `$connect`.
fn authorizer(event: &Value) -> Result<Value, Error> {
    let effect = match event["queryStringParameters"]["token"].as_str() {
        Some("allow") => "Allow",
        Some("deny") => "Deny",
        Some("unauthorized") => return Err("Unauthorized".into()),
        _ => return Err("the request asks for an error".into()),
    };
    Ok(json!({
        "principalId": "user",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{
                "Action": "execute-api:Invoke",
                "Effect": effect,
                "Resource": event["methodArn"],
            }],
        },
        "context": { "tenant": "a" },
    }))
}

async fn http(event: Value) -> Result<Value, Error> {
    match event["pathParameters"]["name"].as_str().unwrap_or_default() {
        "fail" => Err("the request asks for an error".into()),
        "crash" => process::exit(3),
        "sleep" => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            Ok(Value::Null)
        }
        "large" => Ok(json!({"statusCode": 200, "body": "x".repeat(7 * 1024 * 1024)})),
        "bare" => Ok(json!({"no": "status"})),
        "cookies" => Ok(json!({
            "statusCode": 201,
            "cookies": ["a=1", "b=2"],
            "headers": {"X-Request-Id": "req_1"},
            "isBase64Encoded": true,
            "body": "AAEC",
        })),
        "environment" => {
            let variables = env::vars().collect::<std::collections::BTreeMap<_, _>>();
            Ok(json!({"statusCode": 200, "body": json!(variables).to_string()}))
        }
        _ => Ok(json!({
            "statusCode": 200,
            "headers": {"content-type": "application/json"},
            "body": event.to_string(),
        })),
    }
}

async fn websocket(client: &Client, event: Value) -> Result<Value, Error> {
    let context = &event["requestContext"];
    let id = context["connectionId"].as_str().unwrap_or_default();
    match context["routeKey"].as_str().unwrap_or_default() {
        "$connect" => {
            let query = &event["queryStringParameters"];
            if let Some(status) = query["answer"].as_str() {
                return Ok(json!({"statusCode": status.parse::<u16>()?}));
            }
            if query["throw"].is_string() {
                return Err("the request asks for an error".into());
            }
            eprintln!("connect {event}");
            let early = client.post_to_connection().connection_id(id);
            let early = early.data(Blob::new("too early")).send().await;
            eprintln!("a post within $connect succeeds: {}", early.is_ok());
            Ok(json!({
                "statusCode": 200,
                "headers": {"Sec-WebSocket-Protocol": query["protocol"].as_str()},
            }))
        }
        "$disconnect" => {
            eprintln!("disconnect {event}");
            Ok(json!({"statusCode": 200}))
        }
        _ => {
            if event["body"]
                .as_str()
                .is_some_and(|body| body.contains("fail"))
            {
                return Err("the request asks for an error".into());
            }
            let post = client.post_to_connection().connection_id(id);
            post.data(Blob::new(event.to_string())).send().await?;
            Ok(json!({"statusCode": 200}))
        }
    }
}

fn queue(event: &Value) -> Value {
    let mut failures = Vec::new();
    for record in event["Records"].as_array().into_iter().flatten() {
        eprintln!("record {record}");
        match record["body"].as_str() {
            Some("fail") => failures.push(json!({"itemIdentifier": record["messageId"]})),
            Some("crash") => process::exit(3),
            _ => {}
        }
    }
    json!({"batchItemFailures": failures})
}
