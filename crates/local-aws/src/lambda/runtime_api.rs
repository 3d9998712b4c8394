//! The Lambda Runtime API: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.

use std::sync::Arc;

use http::{Method, Request, StatusCode, header::HeaderName};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::instance::{FunctionError, Instance, Instances, InvocationResult};
use crate::{
    clock::Timestamp,
    http_util::{self, Response},
    ids,
};

/// The prefix of a process's Runtime API, followed by the process's id. `AWS_LAMBDA_RUNTIME_API` may
/// contain a path, so one port serves all processes.
pub(crate) const PREFIX: &str = "/_aws/lambda/";

/// Largest body of a result, in bytes. More than Lambda's limit, to report the exact size.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Serves the Runtime API to all processes.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    pub(crate) instances: Instances,
}

/// The body of an error report.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Diagnostic {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

impl RuntimeApi {
    /// Returns when all processes have ended.
    pub(crate) async fn wait_for_all_exits(&self) {
        let instances = self.instances.lock().values().cloned().collect::<Vec<_>>();
        for instance in instances {
            instance.ended().await;
        }
    }

    /// Serves a request whose path begins with [`PREFIX`].
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response {
        let path = request.uri().path().to_owned();
        let mut parts = path.trim_start_matches(PREFIX).split('/');
        let id = parts.next().unwrap_or_default();
        let Some(instance) = self.instances.lock().get(id).cloned() else {
            return http_util::empty(StatusCode::FORBIDDEN);
        };
        let rest = parts.collect::<Vec<_>>();
        match (request.method().clone(), rest.as_slice()) {
            (Method::GET, ["2018-06-01", "runtime", "invocation", "next"]) => next(&instance).await,
            (Method::POST, ["2018-06-01", "runtime", "invocation", id, "response"]) => {
                let Ok(body) = http_util::read(request, MAX_ANSWER_BYTES).await else {
                    let too_large = http_util::empty(StatusCode::PAYLOAD_TOO_LARGE);
                    return too_large;
                };
                finish(&instance, id, Ok(body))
            }
            (Method::POST, ["2018-06-01", "runtime", "invocation", id, "error"]) => {
                finish(&instance, id, Err(diagnostic(request).await))
            }
            (Method::POST, ["2018-06-01", "runtime", "init", "error"]) => {
                let error = diagnostic(request).await;
                tracing::warn!(
                    error_type = error.error_type,
                    "init failed: {}",
                    error.message
                );
                http_util::json(StatusCode::ACCEPTED, &json!({"status": "OK"}))
            }
            _ => http_util::empty(StatusCode::NOT_FOUND),
        }
    }
}

/// Waits for the next event.
async fn next(instance: &Arc<Instance>) -> Response {
    let Some(invocation) = instance.next.lock().await.recv().await else {
        return http_util::empty(StatusCode::GONE);
    };
    let timeout = i64::try_from(instance.timeout.as_millis()).unwrap_or(i64::MAX);
    let deadline = Timestamp::now()
        .epoch_milliseconds()
        .saturating_add(timeout);
    let headers = [
        (
            "lambda-runtime-aws-request-id",
            invocation.request_id.clone(),
        ),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            instance.function_arn.clone(),
        ),
        ("lambda-runtime-trace-id", trace_id()),
    ];
    let current = (invocation.request_id, invocation.answer);
    *instance.current.lock() = Some(current);
    // There is no receiver if the invocation was given up.
    let _ = invocation.taken.send(());
    let mut response = Response::new(http_util::full(invocation.payload));
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn finish(instance: &Arc<Instance>, id: &str, answer: InvocationResult) -> Response {
    let mut current = instance.current.lock();
    if let Some((_, sender)) = current.take_if(|(current, _)| current == id) {
        // There is no receiver if the invocation has timed out.
        let _ = sender.send(answer);
        return http_util::json(StatusCode::ACCEPTED, &json!({"status": "OK"}));
    }
    let error = json!({
        "errorMessage": "Invalid request ID",
        "errorType": "InvalidRequestID",
    });
    http_util::json(StatusCode::BAD_REQUEST, &error)
}

async fn diagnostic(request: Request<Incoming>) -> FunctionError {
    let body = http_util::read(request, MAX_ANSWER_BYTES)
        .await
        .unwrap_or_default();
    match serde_json::from_slice::<Diagnostic>(&body) {
        Ok(diagnostic) => FunctionError {
            error_type: diagnostic.error_type,
            message: diagnostic.error_message,
        },
        Err(_) => FunctionError {
            error_type: "Unknown".to_owned(),
            message: String::from_utf8_lossy(&body).into_owned(),
        },
    }
}

/// `Root=1-{8 hexadecimal digits of the time}-{24 random ones};Parent=...;Sampled=0`.
fn trace_id() -> String {
    let seconds = Timestamp::now().epoch_milliseconds() / 1000;
    let token = ids::token();
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0",
        &token[..24],
        &token[16..]
    )
}
