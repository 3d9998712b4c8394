//! AWS as a function that answers each call, for unit tests of what is written, and in which order.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, retry::RetryConfig,
    stalled_stream_protection::StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::{
    client::{
        http::{
            HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
            http_client_fn,
        },
        orchestrator::{HttpRequest, HttpResponse},
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

use super::Item;

/// A call to DynamoDB or SQS.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The operation, as `UpdateItem`.
    pub(crate) operation: String,
    /// Its input.
    pub(crate) input: Value,
}

impl Call {
    /// The expression of an update.
    pub(crate) fn update(&self) -> &str {
        self.input["UpdateExpression"].as_str().unwrap_or_default()
    }

    /// The body of a message that is sent to a queue.
    pub(crate) fn message(&self) -> Value {
        let body = self.input["MessageBody"].as_str().unwrap_or_default();
        serde_json::from_str(body).unwrap_or_default()
    }
}

/// What a call is answered with.
pub(crate) enum Answer {
    /// Its output.
    Output(Value),
    /// The condition of the write does not hold.
    ConditionFailed,
    /// An internal error.
    Outage,
}

impl Answer {
    pub(crate) fn nothing() -> Self {
        Self::Output(json!({}))
    }

    /// The output of a `GetItem`.
    pub(crate) fn item(item: &Item) -> Self {
        Self::Output(json!({ "Item": attributes(item) }))
    }

    /// The output of an `UpdateItem` that leaves this item.
    pub(crate) fn updated(item: &Item) -> Self {
        Self::Output(json!({ "Attributes": attributes(item) }))
    }

    /// The output of a `Query`.
    pub(crate) fn items(items: &[Item]) -> Self {
        let items: Vec<_> = items.iter().map(attributes).collect();
        Self::Output(json!({ "Items": items }))
    }
}

/// The calls that were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    pub(crate) fn all(&self) -> Vec<Call> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.clone()
    }

    /// The operations, in order.
    pub(crate) fn operations(&self) -> Vec<String> {
        self.all().into_iter().map(|call| call.operation).collect()
    }
}

/// A configuration whose calls `answer` answers, and these calls. Nothing is tried again.
pub(crate) fn fake(answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> (SdkConfig, Calls) {
    let calls = Calls::default();
    let connector = SharedHttpConnector::new(Fake {
        answer: Box::new(answer),
        calls: calls.clone(),
    });
    let client =
        http_client_fn(move |_: &HttpConnectorSettings, _: &RuntimeComponents| connector.clone());
    let credentials = Credentials::new("id", "secret", None, None, "fake");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(client)
        .build();
    (config, calls)
}

struct Fake {
    answer: Box<dyn Fn(&Call) -> Answer + Send + Sync>,
    calls: Calls,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").finish_non_exhaustive()
    }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().unwrap_or_default();
        let input = serde_json::from_slice(body).unwrap_or_default();
        let call = Call { operation, input };
        let answer = (self.answer)(&call);
        let mut calls = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
        let failed = |kind: &str| json!({ "__type": format!("com.amazonaws#{kind}") });
        let (status, body) = match answer {
            Answer::Output(output) => (200, output),
            Answer::ConditionFailed => (400, failed("ConditionalCheckFailedException")),
            Answer::Outage => (500, failed("InternalServerError")),
        };
        let status = StatusCode::try_from(status).expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            status,
            SdkBody::from(body.to_string()),
        )))
    }
}

/// An item in DynamoDB's JSON, as far as the models use its types.
fn attributes(item: &Item) -> Value {
    let fields = item.iter();
    Value::Object(
        fields
            .map(|(name, value)| (name.clone(), attribute(value)))
            .collect(),
    )
}

fn attribute(value: &aws_sdk_dynamodb::types::AttributeValue) -> Value {
    use aws_sdk_dynamodb::types::AttributeValue as Type;
    match value {
        Type::S(text) => json!({ "S": text }),
        Type::N(number) => json!({ "N": number }),
        Type::Bool(flag) => json!({ "BOOL": flag }),
        Type::L(items) => json!({ "L": items.iter().map(attribute).collect::<Vec<_>>() }),
        Type::M(items) => json!({ "M": attributes(items) }),
        Type::Null(_) => json!({ "NULL": true }),
        other => panic!("no model has {other:?}"),
    }
}
