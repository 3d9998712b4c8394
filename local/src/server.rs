//! The HTTP server: routes each request on the stack's port to an API or service.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http::{Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    book, dynamodb,
    faults::{Fault, Faults},
    host_check::HostCheck,
    http_api::HttpApi,
    http_util::{self, Response, access_key_id, header_text},
    lambda::{RUNTIME_API_PREFIX, RuntimeApi},
    options::Urls,
    recorder::{Call, Calls},
    s3::{self, S3},
    sqs, static_files,
    storage::Storage,
    websocket::{self, WebSocketApi},
};

/// Largest request to DynamoDB and SQS, in bytes.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// Everything that serves requests.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) urls: Urls,
    pub(crate) hosts: HostCheck,
    pub(crate) websocket: Option<Arc<WebSocketApi>>,
    pub(crate) http: Option<HttpApi>,
    pub(crate) runtime_api: RuntimeApi,
    pub(crate) storage: Storage,
    pub(crate) calls: Calls,
    pub(crate) faults: Faults,
    /// The folder of the built documentation book.
    pub(crate) book: std::path::PathBuf,
    /// The functions' names by access key id.
    pub(crate) callers: std::collections::BTreeMap<String, String>,
}

/// Breaks the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("an injected fault drops the response")]
struct LostResponse;

/// Accepts connections until the task is aborted, which also aborts the connections.
pub(crate) async fn serve(listener: TcpListener, router: Arc<Router>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        // Free the memory of finished connections.
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually too many open files: some will be closed soon.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        // Send small frames at once. A failure costs only latency.
        let _ = stream.set_nodelay(true);
        let router = Arc::clone(&router);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let router = Arc::clone(&router);
                async move { router.route(request, peer).await.ok_or(LostResponse) }
            });
            // Errors here mean that the client disconnected.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(http_util::REQUEST_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

impl Router {
    /// The response; `None` breaks the connection.
    async fn route(&self, request: Request<Incoming>, peer: SocketAddr) -> Option<Response> {
        if let Some(refusal) = self.hosts.refusal(&request) {
            return Some(refusal);
        }
        let path = request.uri().path();
        if path.starts_with(RUNTIME_API_PREFIX) {
            return Some(self.runtime_api.handle(request).await);
        }
        if websocket::is_management(path) {
            let Some(websocket) = &self.websocket else {
                return Some(http_util::empty(StatusCode::NOT_FOUND));
            };
            let caller = self.caller(&request);
            return websocket
                .manage(request, caller, &self.calls, &self.faults)
                .await;
        }
        if hyper_tungstenite::is_upgrade_request(&request)
            && let Some(websocket) = &self.websocket
        {
            return Some(websocket.connect(request, peer).await);
        }
        if request.headers().contains_key("x-amz-target") {
            return self.json_service(request).await;
        }
        if S3::is_s3_request(&request) {
            return self.object_service(request).await;
        }
        if let Some(response) =
            static_files::handle(&request, &self.urls.http_api, &self.urls.websocket)
        {
            return Some(response);
        }
        if let Some(response) = book::handle(&request, &self.book).await {
            return Some(response);
        }
        Some(match &self.http {
            Some(api) => api.handle(request, peer).await,
            None => http_util::json(StatusCode::NOT_FOUND, &json!({"message": "Not Found"})),
        })
    }

    async fn json_service(&self, request: Request<Incoming>) -> Option<Response> {
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
        let body = json!({
            "__type": "UnknownOperationException",
            "message": format!("{target} is not supported by the local stack"),
        });
        Some(http_util::json(StatusCode::BAD_REQUEST, &body))
    }

    async fn object_service(&self, request: Request<Incoming>) -> Option<Response> {
        let call = s3::call(&self.caller(&request), &request);
        let answer = self.storage.s3.handle(request);
        self.with_faults(&[call], s3::fault_response, answer).await
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
            Some(fault) => match fault_response(fault) {
                Some(refusal) => Some(refusal),
                // The service does not support this fault.
                None => Some(answer.await),
            },
        }
    }

    fn caller<B>(&self, request: &Request<B>) -> String {
        let key = access_key_id(request).unwrap_or_default();
        self.callers.get(&key).cloned().unwrap_or(key)
    }
}
