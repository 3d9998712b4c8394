//! DynamoDB, S3 and SQS: which of them a request is for, its record, and the fault that is set for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode};
use hyper::body::Body;
use serde_json::json;

use crate::{
    dynamodb,
    faults::{Fault, Faults},
    http_util::{self, BoxError, Response, access_key_id, header_text},
    recorder::{Call, Calls},
    s3::{self, S3},
    sqs,
    storage::Storage,
};

/// Largest request of the services with a JSON protocol, in bytes.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// The services with their data.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) storage: Storage,
    pub(crate) calls: Calls,
    pub(crate) faults: Faults,
    /// The functions' names by the access key ids that they sign with.
    callers: BTreeMap<String, String>,
}

impl Services {
    /// The services on `storage`, which nobody has called yet.
    pub(crate) fn new(storage: Storage, callers: BTreeMap<String, String>) -> Self {
        Self {
            storage,
            calls: Calls::default(),
            faults: Faults::default(),
            callers,
        }
    }

    /// Whether a request is for one of these services.
    pub(crate) fn accept<B>(request: &Request<B>) -> bool {
        request.headers().contains_key("x-amz-target") || S3::is_meant(request)
    }

    /// The function that signed a request, or else the access key id that it was signed with.
    pub(crate) fn caller<B>(&self, request: &Request<B>) -> String {
        let key = access_key_id(request).unwrap_or_default();
        self.callers.get(&key).cloned().unwrap_or(key)
    }

    /// The response, or none if the connection is to break.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Option<Response>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<BoxError>,
    {
        if request.headers().contains_key("x-amz-target") {
            return self.json_service(request).await;
        }
        let call = s3::call(&self.caller(&request), &request);
        let answer = self.storage.s3.answer(request);
        self.with_faults(&[call], s3::fault_answer, answer).await
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
            Err(error) => return http_util::unread(&error),
        };
        if let Some(operation) = target.strip_prefix(dynamodb::TARGET_PREFIX) {
            let calls = dynamodb::calls(&caller, operation, &body);
            let answer = self.storage.dynamodb.answer(operation, body);
            let fault_answer = |fault| dynamodb::fault_answer(fault, operation);
            return self.with_faults(&calls, fault_answer, answer).await;
        }
        if let Some(operation) = target.strip_prefix(sqs::TARGET_PREFIX) {
            let calls = sqs::calls(&caller, operation, &body);
            let answer = self.storage.sqs.answer(operation, &body);
            return self.with_faults(&calls, sqs::fault_answer, answer).await;
        }
        let body = json!({
            "__type": "UnknownOperationException",
            "message": format!("{target} is not run by the local stack"),
        });
        Some(http_util::json(StatusCode::BAD_REQUEST, &body))
    }

    /// Records a call and lets the fault that is set for it happen.
    async fn with_faults(
        &self,
        calls: &[Call],
        fault_answer: impl FnOnce(Fault) -> Option<Response>,
        answer: impl Future<Output = Response>,
    ) -> Option<Response> {
        self.calls.record(calls);
        let fault = calls.first().and_then(|call| self.faults.of_call(call));
        meet(fault, fault_answer, answer).await
    }
}

/// Lets a fault happen to a call: the response, or none if the connection is to break. `refuse` is
/// the service's response to a fault that refuses; none if the service knows no such fault.
pub(crate) async fn meet(
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
        Some(Fault::LostAnswer) => {
            answer.await;
            None
        }
        Some(fault) => match refuse(fault) {
            Some(refusal) => Some(refusal),
            None => Some(answer.await),
        },
    }
}
