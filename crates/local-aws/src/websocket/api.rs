//! Handshakes and the routing of messages to functions.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    authorizer::{self, Decision},
    connection::{self, Api, Closing, Connection},
    event::{self, Route},
};
use crate::{
    http_util::{self, Response},
    ids,
    lambda::{Function, Functions, InvokeError},
    sync::Mutex,
    template::{Authorizer, RouteTarget, WebSocketApiResource},
};

/// Largest inbound frame, in bytes.
const MAX_FRAME_BYTES: usize = 32 * 1024;
/// Largest inbound message, in bytes.
const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Limits of WebSocket connections. The defaults are API Gateway's; tests may lower them.
#[derive(Clone, Copy, Debug)]
pub struct WebSocketLimits {
    /// A connection is closed after this time without a message in either direction.
    pub idle: Duration,
    /// A connection is closed at this age.
    pub lifetime: Duration,
    /// Maximum number of bytes queued for a slow client. A post over this limit gets a 429. API
    /// Gateway's limit is not documented.
    pub client_buffer_bytes: usize,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(10),
            lifetime: Duration::from_hours(2),
            client_buffer_bytes: 1024 * 1024,
        }
    }
}

/// The WebSocket API of the template, with its connections.
#[derive(Debug)]
pub(crate) struct WebSocketApi {
    pub(super) resource: WebSocketApiResource,
    pub(super) limits: WebSocketLimits,
    functions: Arc<Functions>,
    connections: Mutex<HashMap<String, Arc<Connection>>>,
    shutdown: watch::Receiver<bool>,
}

/// The outcome of a route's invocation.
enum Invoked {
    Answered(Value),
    Failed,
    TimedOut,
}

impl WebSocketApi {
    pub(crate) fn new(
        resource: WebSocketApiResource,
        limits: WebSocketLimits,
        functions: Arc<Functions>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        Self {
            resource,
            limits,
            functions,
            connections: Mutex::default(),
            shutdown,
        }
    }

    pub(crate) fn stage(&self) -> &str {
        &self.resource.stage
    }

    /// The ids of the open connections.
    pub(crate) fn connection_ids(&self) -> Vec<String> {
        self.connections.lock().keys().cloned().collect()
    }

    pub(super) fn connection(&self, id: &str) -> Option<Arc<Connection>> {
        self.connections.lock().get(id).cloned()
    }

    /// Serves a handshake. Every connection that `$connect` accepts gets a `$disconnect`, even if the
    /// client leaves before the response.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response {
        let handshake = Arc::clone(self).handshake(request, peer);
        let response = tokio::spawn(handshake).await;
        response.unwrap_or_else(|_| http_util::empty(StatusCode::INTERNAL_SERVER_ERROR))
    }

    async fn handshake(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response {
        let stage = request.uri().path().trim_matches('/');
        if stage != self.resource.stage {
            return http_util::json(StatusCode::FORBIDDEN, &json!({"message": "Forbidden"}));
        }
        let connection = Arc::new(Connection::new(&request, peer));
        let mut protocol = None;
        if let Some(target) = self.resource.routes.get("$connect") {
            let route = Route::connect(&self.resource);
            let mut event = event::connect(&route, &connection, &request);
            if let Some(Authorizer::Request {
                identity_sources,
                function,
            }) = &target.authorizer
            {
                match authorizer::authorize(
                    self.function(function),
                    identity_sources,
                    &event,
                    &self.method_arn(),
                )
                .await
                {
                    Decision::Allowed(context) => {
                        event["requestContext"]["authorizer"] = json!(context);
                        connection.set_authorizer(context);
                    }
                    Decision::Denied(status) => {
                        return refusal(status, &connection, &route.request_id);
                    }
                }
            }
            match self.invoke(target, &event).await {
                Invoked::Answered(answer) => {
                    let status = answer["statusCode"].as_u64().unwrap_or(200);
                    if !(200..300).contains(&status) {
                        return refusal(status, &connection, &route.request_id);
                    }
                    protocol = subprotocol(&answer);
                }
                Invoked::Failed => return refusal(502, &connection, &route.request_id),
                Invoked::TimedOut => return refusal(504, &connection, &route.request_id),
            }
        }
        let config = WebSocketConfig::default()
            .max_frame_size(Some(MAX_FRAME_BYTES))
            .max_message_size(Some(MAX_MESSAGE_BYTES));
        let (response, socket) = match hyper_tungstenite::upgrade(&mut request, Some(config)) {
            Ok(upgrade) => upgrade,
            Err(error) => {
                let body = json!({"message": error.to_string()});
                return http_util::json(StatusCode::BAD_REQUEST, &body);
            }
        };
        self.connections
            .lock()
            .insert(connection.id.clone(), Arc::clone(&connection));
        let api = Arc::clone(&self);
        tokio::spawn(async move {
            let closing = match socket.await {
                Ok(socket) => connection::serve(&api, &connection, socket).await,
                Err(_) => Closing::ABNORMAL,
            };
            api.disconnect(&connection, &closing).await;
        });
        let mut response = response.map(|_| http_util::full(Bytes::new()));
        if let Some(protocol) = protocol {
            response
                .headers_mut()
                .insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }

    async fn disconnect(&self, connection: &Arc<Connection>, closing: &Closing) {
        self.forget(connection);
        let route = Route::disconnect(&self.resource);
        if let Some(target) = self.resource.routes.get("$disconnect")
            && !*self.shutdown.borrow()
        {
            let event = event::disconnect(&route, connection, closing);
            // Best effort, as in API Gateway: an error has no receiver.
            self.invoke(target, &event).await;
        }
    }

    fn function(&self, name: &str) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    /// The resource that an authorizer's policy must allow.
    fn method_arn(&self) -> String {
        let WebSocketApiResource { id, stage, .. } = &self.resource;
        format!("arn:aws:execute-api:us-east-1:000000000000:{id}/{stage}/$connect")
    }

    /// The value of the route selection expression for a message.
    fn select(&self, body: &str) -> Option<String> {
        let body = serde_json::from_str::<Value>(body).ok()?;
        let mut selected = &body;
        for field in &self.resource.selector {
            selected = selected.get(field)?;
        }
        match selected {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    async fn invoke(&self, target: &RouteTarget, event: &Value) -> Invoked {
        let Some(function) = self.functions.get(&target.function) else {
            tracing::warn!(
                "a route invokes {}, which is not a function of the template",
                target.function
            );
            return Invoked::Failed;
        };
        let invocation = function.invoke(Bytes::from(event.to_string()));
        match tokio::time::timeout(target.timeout, invocation).await {
            Ok(Ok(answer)) => match serde_json::from_slice(&answer) {
                Ok(answer) => Invoked::Answered(answer),
                Err(_) => Invoked::Failed,
            },
            Ok(Err(error)) => {
                if let InvokeError::NotStarted { .. } = error {
                    tracing::error!("{error}");
                }
                Invoked::Failed
            }
            Err(_) => Invoked::TimedOut,
        }
    }
}

impl Api for WebSocketApi {
    fn idle_limit(&self) -> Duration {
        self.limits.idle
    }

    fn lifetime_limit(&self) -> Duration {
        self.limits.lifetime
    }

    fn forget(&self, connection: &Connection) {
        self.connections.lock().remove(&connection.id);
    }

    async fn wait_for_shutdown(&self) {
        let mut shutdown = self.shutdown.clone();
        // An error means that the stack was dropped.
        let _ = shutdown.wait_for(|down| *down).await;
    }

    async fn message(self: Arc<Self>, connection: Arc<Connection>, body: String) {
        let key = self.select(&body);
        // A message cannot select `$connect` or `$disconnect`.
        let key = key.filter(|key| !key.starts_with('$') && self.resource.routes.contains_key(key));
        let key = key.unwrap_or_else(|| "$default".to_owned());
        let request_id = ids::gateway_request_id();
        let Some(target) = self.resource.routes.get(&key) else {
            connection.notify("Forbidden", &request_id);
            return;
        };
        let route = Route::message(&self.resource, key, request_id);
        let event = event::message(&route, &connection, &body);
        match self.invoke(target, &event).await {
            Invoked::Answered(_) => {}
            // The shutdown interrupted the invocation. The connection is closed with 1001.
            _ if *self.shutdown.borrow() => {}
            Invoked::Failed => connection.notify("Internal server error", &route.request_id),
            Invoked::TimedOut => connection.notify("Endpoint request timed out", &route.request_id),
        }
    }
}

/// The response to a handshake that `$connect` or its authorizer rejected.
fn refusal(status: u64, connection: &Connection, request_id: &str) -> Response {
    let status = u16::try_from(status).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = match status {
        StatusCode::FORBIDDEN => "Forbidden",
        StatusCode::UNAUTHORIZED => "Unauthorized",
        status if status.is_server_error() => "Internal server error",
        status => status.canonical_reason().unwrap_or_default(),
    };
    let body = json!({
        "message": message,
        "connectionId": connection.id,
        "requestId": request_id,
    });
    http_util::json(status, &body)
}

/// The WebSocket subprotocol in the response of `$connect`.
fn subprotocol(answer: &Value) -> Option<HeaderValue> {
    let headers = answer.get("headers")?.as_object()?;
    let mut headers = headers.iter();
    let (_, value) =
        headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))?;
    HeaderValue::from_str(value.as_str()?).ok()
}
