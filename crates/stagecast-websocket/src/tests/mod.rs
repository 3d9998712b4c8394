//! The handler on AWS in this process: events in, messages and items out.

mod keys_at_a_url;
mod lifecycle;
mod listening;
mod messages;
mod owner_feed;
mod owner_tokens;
mod subscribing;

use aws_lambda_events::apigw::ApiGatewayWebsocketProxyRequest;
use granted_aws::Environment;
use serde_json::{Value, json};
use stagecast_contract::{
    functions::WebSocketFunction,
    tables::{Connections, Subscribers},
};
use stagecast_core::clock::Clock;
use stagecast_testing::{
    TestAws,
    fixtures::{self, START, TestJob},
    owner_tokens as owner_tokens_of_tests,
};

use crate::Handler;

/// The function on AWS services in this process, with a clock that only tests advance.
struct Site {
    aws: TestAws,
    clock: Clock,
    handler: Handler,
}

impl Site {
    fn new() -> Self {
        Self::with(&[])
    }

    /// A function whose environment has keys of owner tokens.
    fn with_tokens() -> Self {
        Self::on(TestAws::of(owner_tokens_of_tests::project()), &[])
    }

    /// A function that has these environment variables instead of the template's.
    fn with(variables: &[(&str, &str)]) -> Self {
        Self::on(TestAws::new(), variables)
    }

    fn on(aws: TestAws, variables: &[(&str, &str)]) -> Self {
        let clock = fixtures::clock();
        let environment = Environment::read(|name| {
            let given = variables.iter().find(|(given, _)| *given == name);
            given
                .map(|(_, value)| (*value).to_owned())
                .or_else(|| aws.variable::<WebSocketFunction>(name))
        });
        let environment = environment.expect("the template gives every variable");
        let config = aws.config::<WebSocketFunction>();
        let handler =
            Handler::new(&config, &environment, clock.clone()).expect("the settings are valid");
        Self {
            aws,
            clock,
            handler,
        }
    }

    async fn job(&self, number: u8) -> TestJob {
        fixtures::job(&self.aws, &self.clock, number).await
    }

    /// Opens a connection with this query. Returns the status of the handshake.
    async fn connect(&self, connection: &str, query: &[(&str, &str)]) -> i64 {
        let query: serde_json::Map<_, _> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let event = json!({
            "headers": {"origin": "https://app.example"},
            "queryStringParameters": query,
        });
        let status = self.handle("$connect", connection, event).await;
        if status == 200 {
            self.aws.connect(connection);
        }
        status
    }

    /// Closes a connection, as API Gateway reports it.
    async fn disconnect(&self, connection: &str) -> i64 {
        self.aws.disconnect(connection);
        self.handle("$disconnect", connection, json!({})).await
    }

    /// Sends a message. Returns all messages to the connection since the last call.
    async fn send(&self, connection: &str, message: Value) -> Vec<Value> {
        self.send_text(connection, &message.to_string()).await
    }

    async fn send_text(&self, connection: &str, text: &str) -> Vec<Value> {
        let status = self
            .handle("$default", connection, json!({"body": text}))
            .await;
        assert_eq!(status, 200, "{text}");
        self.aws.take_messages(connection)
    }

    async fn handle(&self, route: &str, connection: &str, mut event: Value) -> i64 {
        event["requestContext"] = json!({
            "routeKey": route,
            "connectionId": connection,
            "connectedAt": START.epoch_seconds() * 1000,
            "requestId": "request",
            "requestTimeEpoch": START.epoch_seconds() * 1000,
            "identity": {},
        });
        event["isBase64Encoded"] = json!(false);
        let event: ApiGatewayWebsocketProxyRequest =
            serde_json::from_value(event).expect("API Gateway's event");
        let response = Box::pin(self.handler.handle(event))
            .await
            .expect("the reply can be delivered");
        response.status_code
    }

    fn connections(&self) -> usize {
        self.aws.items::<Connections>().len()
    }

    fn subscribers(&self) -> usize {
        self.aws.items::<Subscribers>().len()
    }
}

/// A `subscribe` with the job's key.
fn subscribe(job: &TestJob) -> Value {
    json!({"type": "subscribe", "job_id": job.id.as_str(), "access_key": job.access_key.reveal()})
}

/// The types of the messages, in order.
fn types(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| message["type"].as_str().unwrap_or("none"))
        .collect()
}

/// The code of the only message, which is an error.
fn error(messages: &[Value]) -> &str {
    assert_eq!(types(messages), ["error"], "{messages:?}");
    messages[0]["code"].as_str().unwrap_or("none")
}
