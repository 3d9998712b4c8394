//! The one port: which part of the stack a request is for.

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

/// Largest request of the services with a JSON protocol, in bytes.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;

/// Everything that answers requests.
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
    /// The functions' names by the access key ids that they sign with.
    pub(crate) callers: std::collections::BTreeMap<String, String>,
}

/// A connection that is to break without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct LostAnswer;

/// Accepts connections until the task is stopped; they stop with it.
pub(crate) async fn serve(listener: TcpListener, router: Arc<Router>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        // Finished ones give their memory back.
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Mostly too many open files: some will be closed in a moment.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        // Small frames go out at once, as over API Gateway. A failure costs only latency.
        let _ = stream.set_nodelay(true);
        let router = Arc::clone(&router);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let router = Arc::clone(&router);
                async move { router.route(request, peer).await.ok_or(LostAnswer) }
            });
            // Errors are clients that went away.
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
    /// The answer, or none if the connection is to break.
    async fn route(&self, request: Request<Incoming>, peer: SocketAddr) -> Option<Response> {
        if let Some(refusal) = self.hosts.refusal(&request) {
            return Some(refusal);
        }
        let path = request.uri().path();
        if path.starts_with(RUNTIME_API_PREFIX) {
            return Some(self.runtime_api.answer(request).await);
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
        if S3::is_meant(&request) {
            return self.object_service(request).await;
        }
        if let Some(response) =
            static_files::answer(&request, &self.urls.http_api, &self.urls.websocket)
        {
            return Some(response);
        }
        if let Some(response) = book::answer(&request, &self.book).await {
            return Some(response);
        }
        Some(match &self.http {
            Some(api) => api.answer(request, peer).await,
            None => http_util::json(StatusCode::NOT_FOUND, &json!({"message": "Not Found"})),
        })
    }

    async fn json_service(&self, request: Request<Incoming>) -> Option<Response> {
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

    async fn object_service(&self, request: Request<Incoming>) -> Option<Response> {
        let call = s3::call(&self.caller(&request), &request);
        let answer = self.storage.s3.answer(request);
        self.with_faults(&[call], s3::fault_answer, answer).await
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
            Some(fault) => match fault_answer(fault) {
                Some(refusal) => Some(refusal),
                // The service knows no such fault.
                None => Some(answer.await),
            },
        }
    }

    fn caller<B>(&self, request: &Request<B>) -> String {
        let key = access_key_id(request).unwrap_or_default();
        self.callers.get(&key).cloned().unwrap_or(key)
    }
}
