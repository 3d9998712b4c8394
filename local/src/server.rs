//! The HTTP server: routes each request on the stack's port to an API or service.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http::{Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    book,
    host_check::HostCheck,
    http_api::HttpApi,
    http_util::{self, Response},
    lambda::{RUNTIME_API_PREFIX, RuntimeApi},
    options::Urls,
    services::Services,
    static_files,
    websocket::{self, WebSocketApi},
};

/// Everything that serves requests.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) urls: Urls,
    pub(crate) hosts: HostCheck,
    pub(crate) websocket: Option<Arc<WebSocketApi>>,
    pub(crate) http: Option<HttpApi>,
    pub(crate) runtime_api: RuntimeApi,
    pub(crate) services: Services,
    /// The folder of the built documentation book.
    pub(crate) book: std::path::PathBuf,
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
            let caller = self.services.caller(&request);
            let Services { calls, faults, .. } = &self.services;
            return websocket.manage(request, caller, calls, faults).await;
        }
        if hyper_tungstenite::is_upgrade_request(&request)
            && let Some(websocket) = &self.websocket
        {
            return Some(websocket.connect(request, peer).await);
        }
        if Services::accept(&request) {
            return self.services.handle(request).await;
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
}
