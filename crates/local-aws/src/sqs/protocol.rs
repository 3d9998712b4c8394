//! The operations of SQS for senders and consumers, in AWS JSON 1.0.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{Queue, Received, Sqs};
use crate::{
    faults::Fault,
    http_util::{self, Response},
    ids,
    recorder::Call,
};

/// The prefix of `X-Amz-Target`.
pub(crate) const TARGET_PREFIX: &str = "AmazonSQS.";

/// Largest message body, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Maximum number of entries in a batch, and of messages in a receive.
const MAX_BATCH: usize = 10;
/// Longest delay of a message, in seconds.
const MAX_DELAY: u64 = 900;
/// Longest visibility timeout, in seconds.
const MAX_VISIBILITY: u64 = 43_200;
/// Longest wait of a receive, in seconds.
const MAX_WAIT: u64 = 20;

/// An error response: code and message.
struct SqsError(&'static str, String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Send {
    message_body: String,
    delay_seconds: Option<u64>,
    #[serde(default)]
    message_attributes: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receive {
    #[serde(default = "one")]
    max_number_of_messages: usize,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    wait_time_seconds: u64,
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Receipt {
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeVisibility {
    receipt_handle: String,
    visibility_timeout: u64,
}

impl Sqs {
    /// Serves an operation.
    pub(crate) async fn handle(&self, operation: &str, body: &[u8]) -> Response {
        match self.run(operation, body).await {
            Ok(answer) => respond(StatusCode::OK, &answer),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn run(&self, operation: &str, body: &[u8]) -> Result<Value, SqsError> {
        let request = serde_json::from_slice::<Value>(body)
            .map_err(|error| SqsError("SerializationException", error.to_string()))?;
        match operation {
            "GetQueueUrl" => {
                let name = request["QueueName"].as_str().unwrap_or_default();
                let queue = self.queue(name).ok_or_else(no_such_queue)?;
                return Ok(json!({"QueueUrl": queue.resource.url}));
            }
            "ListQueues" => {
                let urls = self.all().map(|queue| queue.resource.url.as_str());
                return Ok(json!({"QueueUrls": urls.collect::<Vec<_>>()}));
            }
            // They name a queue by its ARN.
            "CancelMessageMoveTask" | "ListMessageMoveTasks" | "StartMessageMoveTask" => {
                return Err(unsupported(operation));
            }
            _ => {}
        }
        let queue = self.addressed(&request)?;
        match operation {
            "SendMessage" => send(queue, read(request)?),
            "SendMessageBatch" => batch(&request, |entry| send(queue, read(entry)?)),
            "ReceiveMessage" => receive(queue, read(request)?).await,
            "DeleteMessage" => Ok(delete(queue, &read(request)?)),
            "DeleteMessageBatch" => batch(&request, |entry| Ok(delete(queue, &read(entry)?))),
            "ChangeMessageVisibility" => change_visibility(queue, &read(request)?),
            "ChangeMessageVisibilityBatch" => {
                batch(&request, |entry| change_visibility(queue, &read(entry)?))
            }
            "GetQueueAttributes" => Ok(json!({"Attributes": attributes(queue)})),
            "PurgeQueue" => {
                queue.purge();
                Ok(json!({}))
            }
            other => Err(unsupported(other)),
        }
    }

    fn addressed(&self, request: &Value) -> Result<&Arc<Queue>, SqsError> {
        let name = queue_name(request);
        self.queue(name).ok_or_else(no_such_queue)
    }
}

/// The calls to record for a request.
pub(crate) fn calls(caller: &str, operation: &str, body: &[u8]) -> Vec<Call> {
    let request = serde_json::from_slice::<Value>(body).unwrap_or_default();
    // IAM has no actions for batches: a batch needs the action of its entries.
    let operation = operation.strip_suffix("Batch").unwrap_or(operation);
    vec![Call {
        caller: caller.to_owned(),
        operation: format!("sqs:{operation}"),
        resource: queue_name(&request).to_owned(),
    }]
}

/// The response of a fault; `None` if the fault does not replace the response.
pub(crate) fn fault_response(fault: Fault) -> Option<Response> {
    match fault {
        Fault::Throttle => {
            let reason = "The request was denied due to request throttling.".to_owned();
            Some(refuse(&SqsError("RequestThrottled", reason)))
        }
        Fault::Denied => {
            let reason = "Access to the resource is denied.".to_owned();
            Some(refuse(&SqsError("AccessDenied", reason)))
        }
        Fault::Outage => Some(http_util::empty(StatusCode::SERVICE_UNAVAILABLE)),
        Fault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Some(http_util::empty(status))
        }
        Fault::Conflict | Fault::Delay(_) | Fault::Hang | Fault::LostResponse => None,
    }
}

fn queue_name(request: &Value) -> &str {
    let url = request["QueueUrl"]
        .as_str()
        .or_else(|| request["QueueName"].as_str());
    url.and_then(|url| url.rsplit('/').next())
        .unwrap_or_default()
}

fn read<T: DeserializeOwned>(request: Value) -> Result<T, SqsError> {
    serde_json::from_value(request)
        .map_err(|error| SqsError("InvalidParameterValue", error.to_string()))
}

fn limited(name: &str, value: u64, most: u64) -> Result<Duration, SqsError> {
    if value > most {
        let reason = format!("Value {value} for parameter {name} is invalid. Must be <= {most}.");
        return Err(SqsError("InvalidParameterValue", reason));
    }
    Ok(Duration::from_secs(value))
}

fn send(queue: &Queue, request: Send) -> Result<Value, SqsError> {
    let bytes = request.message_body.len();
    if bytes == 0 || bytes > MAX_MESSAGE_BYTES {
        let reason = format!(
            "One or more parameters are invalid. Reason: Message must be \
             between 1 and {MAX_MESSAGE_BYTES} bytes, it has {bytes}."
        );
        return Err(SqsError("InvalidParameterValue", reason));
    }
    let delay = request
        .delay_seconds
        .map(|delay| limited("DelaySeconds", delay, MAX_DELAY));
    let message = queue.send(
        request.message_body,
        request.message_attributes,
        delay.transpose()?,
    );
    Ok(json!({
        "MessageId": message.id,
        "MD5OfMessageBody": body_md5(&message.body),
    }))
}

async fn receive(queue: &Queue, request: Receive) -> Result<Value, SqsError> {
    if !(1..=MAX_BATCH).contains(&request.max_number_of_messages) {
        let reason = format!("MaxNumberOfMessages must be between 1 and {MAX_BATCH}");
        return Err(SqsError("InvalidParameterValue", reason));
    }
    let visibility = request
        .visibility_timeout
        .map(|seconds| limited("VisibilityTimeout", seconds, MAX_VISIBILITY));
    let wait = limited("WaitTimeSeconds", request.wait_time_seconds, MAX_WAIT)?;
    let received = queue.receive(
        request.max_number_of_messages,
        visibility.transpose()?,
        wait,
    );
    let messages = received.await.into_iter().map(|received| {
        let mut message = json!({
            "MessageId": received.message.id,
            "ReceiptHandle": received.receipt,
            "Body": received.message.body,
            "MD5OfBody": body_md5(&received.message.body),
            "Attributes": received.attributes(),
        });
        if let Value::Object(attributes) = &received.message.attributes
            && !attributes.is_empty()
        {
            message["MessageAttributes"] = received.message.attributes.clone();
        }
        message
    });
    let messages = messages.collect::<Vec<_>>();
    Ok(if messages.is_empty() {
        json!({})
    } else {
        json!({"Messages": messages})
    })
}

impl Received {
    /// The system attributes of a message.
    pub(crate) fn attributes(&self) -> Value {
        json!({
            "ApproximateReceiveCount": self.message.receives.to_string(),
            "SentTimestamp": self.message.sent.to_string(),
            "SenderId": "AROALOCAL:local",
            "ApproximateFirstReceiveTimestamp":
                self.message.first_received.unwrap_or_default().to_string(),
        })
    }

    /// The MD5 of the body, in hexadecimal.
    pub(crate) fn body_md5(&self) -> String {
        body_md5(&self.message.body)
    }
}

fn delete(queue: &Queue, request: &Receipt) -> Value {
    queue.delete(&request.receipt_handle);
    json!({})
}

fn change_visibility(queue: &Queue, request: &ChangeVisibility) -> Result<Value, SqsError> {
    let time = limited(
        "VisibilityTimeout",
        request.visibility_timeout,
        MAX_VISIBILITY,
    )?;
    queue
        .change_visibility(&request.receipt_handle, time)
        .map_err(|_| {
            let reason = "Value for parameter ReceiptHandle is invalid. Reason: Message does not \
             exist or is not available for visibility timeout change.";
            SqsError("InvalidParameterValue", reason.to_owned())
        })?;
    Ok(json!({}))
}

fn batch(
    request: &Value,
    each: impl Fn(Value) -> Result<Value, SqsError>,
) -> Result<Value, SqsError> {
    let entries = request["Entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        let reason = "There should be at least one entry in the request.".to_owned();
        return Err(SqsError("EmptyBatchRequest", reason));
    }
    if entries.len() > MAX_BATCH {
        let reason = format!("Maximum number of entries per request are {MAX_BATCH}.");
        return Err(SqsError("TooManyEntriesInBatchRequest", reason));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let id = entry["Id"].clone();
        match each(entry.clone()) {
            Ok(mut answer) => {
                answer["Id"] = id;
                successful.push(answer);
            }
            Err(SqsError(code, message)) => failed.push(json!({
                "Id": id,
                "Code": code,
                "Message": message,
                "SenderFault": true,
            })),
        }
    }
    let mut answer = Map::new();
    answer.insert("Successful".to_owned(), successful.into());
    answer.insert("Failed".to_owned(), failed.into());
    Ok(answer.into())
}

fn attributes(queue: &Queue) -> Value {
    let depth = queue.depth();
    let resource = &queue.resource;
    let mut attributes = json!({
        "QueueArn": resource.arn,
        "ApproximateNumberOfMessages": depth.visible.to_string(),
        "ApproximateNumberOfMessagesNotVisible": depth.in_flight.to_string(),
        "ApproximateNumberOfMessagesDelayed": depth.delayed.to_string(),
        "VisibilityTimeout": resource.visibility_timeout.as_secs().to_string(),
        "DelaySeconds": resource.delay.as_secs().to_string(),
        "MessageRetentionPeriod": resource.retention.as_secs().to_string(),
    });
    if let Some((name, receives)) = &resource.redrive {
        let arn = resource
            .arn
            .rsplit_once(':')
            .map_or("", |(prefix, _)| prefix);
        let policy = json!({
            "deadLetterTargetArn": format!("{arn}:{name}"),
            "maxReceiveCount": receives,
        });
        attributes["RedrivePolicy"] = policy.to_string().into();
    }
    attributes
}

fn body_md5(body: &str) -> String {
    format!("{:x}", md5::compute(body))
}

fn unsupported(operation: &str) -> SqsError {
    SqsError(
        "UnsupportedOperation",
        format!("{operation} is not supported by the local stack"),
    )
}

fn no_such_queue() -> SqsError {
    SqsError(
        "QueueDoesNotExist",
        "The specified queue does not exist.".to_owned(),
    )
}

fn refuse(SqsError(code, message): &SqsError) -> Response {
    let body = json!({
        "__type": format!("com.amazonaws.sqs#{code}"),
        "message": message,
    });
    let mut response = respond(StatusCode::BAD_REQUEST, &body);
    if let Ok(query_error) = format!("{};Sender", query_code(code)).parse() {
        let name = HeaderName::from_static("x-amzn-query-error");
        response.headers_mut().insert(name, query_error);
    }
    response
}

/// The error code of the older query protocol, which the SDKs read first.
fn query_code(code: &str) -> String {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "EmptyBatchRequest" | "TooManyEntriesInBatchRequest" | "UnsupportedOperation" => {
            format!("AWS.SimpleQueueService.{code}")
        }
        code => code.to_owned(),
    }
}

fn respond(status: StatusCode, body: &Value) -> Response {
    let mut response = http_util::json(status, body);
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/x-amz-json-1.0");
    headers.insert(header::CONTENT_TYPE, json);
    if let Ok(id) = ids::uuid().parse() {
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id);
    }
    response
}
