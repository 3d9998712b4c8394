//! The HTTP server: routes each request on the stack's port to an API or service.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http::{Request, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    host_check::HostCheck,
    http_api::HttpApi,
    http_util::{self, Response},
    lambda::{RUNTIME_API_PREFIX, RuntimeApi},
    log_events::LogEvents,
    services::Services,
    site::Site,
    urls::Urls,
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
    pub(crate) log_events: LogEvents,
    pub(crate) site: Option<Arc<dyn Site>>,
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
                async move {
                    Box::pin(router.route(request, peer))
                        .await
                        .ok_or(LostResponse)
                }
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
        if LogEvents::accept(&request) {
            return self.log_events.handle(request).await;
        }
        if Services::accept(&request) {
            return Box::pin(self.services.handle(request)).await;
        }
        let has_route = |api: &HttpApi| api.has_route(&request);
        let Some(site) = &self.site else {
            return Some(self.call_http_api(request, peer).await);
        };
        if self.http.as_ref().is_some_and(has_route) {
            return Some(self.call_http_api(request, peer).await);
        }
        let (head, body) = request.into_parts();
        if let Some(response) = site.respond(&head, &self.urls).await {
            return Some(response.map(http_util::full));
        }
        let request = Request::from_parts(head, body);
        Some(self.call_http_api(request, peer).await)
    }

    async fn call_http_api(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        match &self.http {
            Some(api) => api.handle(request, peer).await,
            None => http_util::json(StatusCode::NOT_FOUND, &json!({"message": "Not Found"})),
        }
    }
}
