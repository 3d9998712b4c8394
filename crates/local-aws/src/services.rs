//! Routes requests to DynamoDB, S3, SQS, Secrets Manager and SSM, records the calls and injects faults.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Body;
use serde_json::json;

use crate::{
    dynamodb,
    faults::{Fault, Faults},
    http_util::{self, BoxError, Response, access_key_id, header_text},
    other_services,
    recorder::{Call, Calls},
    s3::{self, S3},
    secrets::{LocalSecrets, Store},
    sqs,
    storage::Storage,
};

/// Largest request to a service with a JSON protocol, in bytes.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// The services with their data, recorded calls and faults.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) storage: Storage,
    pub(crate) calls: Calls,
    pub(crate) faults: Faults,
    pub(crate) secrets: LocalSecrets,
    /// What errors call the option with the secrets.
    secrets_option: &'static str,
    /// The functions' names by access key id.
    callers: BTreeMap<String, String>,
}

impl Services {
    /// The services on `storage`, without recorded calls and faults.
    pub(crate) fn new(
        storage: Storage,
        callers: BTreeMap<String, String>,
        secrets: LocalSecrets,
        secrets_option: &'static str,
    ) -> Self {
        Self {
            storage,
            calls: Calls::default(),
            faults: Faults::default(),
            secrets,
            secrets_option,
            callers,
        }
    }

    /// Whether a request is for one of these services.
    pub(crate) fn accept<B>(request: &Request<B>) -> bool {
        request.headers().contains_key("x-amz-target") || S3::is_s3_request(request)
    }

    /// The name of the function that signed a request; for other callers, the access key id.
    pub(crate) fn caller<B>(&self, request: &Request<B>) -> String {
        let key = access_key_id(request).unwrap_or_default();
        self.callers.get(&key).cloned().unwrap_or(key)
    }

    /// Serves a request. `None` breaks the connection without a response.
    pub(crate) async fn handle<B>(&self, request: Request<B>) -> Option<Response>
    where
        B: Body<Data = Bytes> + Unpin + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if request.headers().contains_key("x-amz-target") {
            return self.json_service(request).await;
        }
        if let Some(refusal) = other_services::refusal(&request) {
            return Some(refusal);
        }
        let call = s3::call(&self.caller(&request), &request);
        let answer = self.storage.s3.handle(request);
        self.with_faults(&[call], s3::fault_response, answer).await
    }

    async fn json_service<B>(&self, request: Request<B>) -> Option<Response>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        let target = header_text(request.headers(), "x-amz-target").to_owned();
        let caller = self.caller(&request);
        let body = match http_util::read(request, MAX_JSON_BYTES).await {
            Ok(body) => body,
            Err(error) => return http_util::body_error_response(&error),
        };
        if let Some(operation) = target.strip_prefix(dynamodb::TARGET_PREFIX) {
            let calls = dynamodb::calls(&caller, operation, &body);
            let answer = self.storage.dynamodb.handle(operation, body);
            let fault_response = |fault| dynamodb::fault_response(fault, operation);
            return self.with_faults(&calls, fault_response, answer).await;
        }
        if let Some(operation) = target.strip_prefix(sqs::TARGET_PREFIX) {
            let calls = sqs::calls(&caller, operation, &body);
            let answer = self.storage.sqs.handle(operation, &body);
            return self.with_faults(&calls, sqs::fault_response, answer).await;
        }
        if let Some((store, operation)) = Store::of_target(&target) {
            let call = store.call(&caller, operation, &body);
            let answer =
                async { store.handle(&self.secrets, self.secrets_option, operation, &body) };
            let fault_response = |fault| store.fault_response(fault, operation);
            return self.with_faults(&[call], fault_response, answer).await;
        }
        let body = json!({
            "__type": "UnknownOperationException",
            "message": format!("{target} is not supported by the local stack"),
        });
        Some(http_util::json(StatusCode::BAD_REQUEST, &body))
    }

    /// Records the calls of a request and applies the fault that the hooks choose.
    async fn with_faults(
        &self,
        calls: &[Call],
        fault_response: impl FnOnce(Fault) -> Option<Response>,
        answer: impl Future<Output = Response>,
    ) -> Option<Response> {
        self.calls.record(calls);
        let fault = calls.first().and_then(|call| self.faults.of_call(call));
        with_fault(fault, fault_response, answer).await
    }
}

/// Applies a fault to a call. `None` breaks the connection without a response. `refuse` is the service's
/// own error response to a fault; `None` if the service does not support the fault.
pub(crate) async fn with_fault(
    fault: Option<Fault>,
    refuse: impl FnOnce(Fault) -> Option<Response>,
    answer: impl Future<Output = Response>,
) -> Option<Response> {
    match fault {
        None => Some(answer.await),
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            Some(answer.await)
        }
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::LostResponse) => {
            answer.await;
            None
        }
        Some(fault) => match refuse(fault) {
            Some(refusal) => Some(refusal),
            None => Some(answer.await),
        },
    }
}
