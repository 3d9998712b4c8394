//! API Gateway's HTTP API.

mod cors;
mod event;
mod jwt;
mod routes;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    http_util::{self, BodyError, Response},
    lambda::{Functions, InvokeError},
    template::{Authorizer, HttpApiResource},
};

/// API Gateway's limit for a request body, in bytes.
const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// API Gateway's maximum timeout for an integration of an HTTP API.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);

/// The HTTP API of the template.
#[derive(Debug)]
pub(crate) struct HttpApi {
    resource: HttpApiResource,
    functions: Arc<Functions>,
    token_verifier: jwt::TokenVerifier,
}

/// A function's response in payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponse {
    status_code: u16,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

impl HttpApi {
    pub(crate) fn new(resource: HttpApiResource, functions: Arc<Functions>) -> Self {
        Self {
            resource,
            functions,
            token_verifier: jwt::TokenVerifier::default(),
        }
    }

    /// Serves a request.
    pub(crate) async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let cors = self.resource.cors.as_ref();
        if let Some(cors) = cors
            && is_preflight(&request)
        {
            return cors::preflight(cors, origin.as_ref());
        }
        let mut response = self.route(request, peer).await;
        if let Some(cors) = cors {
            cors::decorate(cors, origin.as_ref(), response.headers_mut());
        }
        response
    }

    /// Whether a request is for a route of the API, or a CORS preflight that the API answers.
    pub(crate) fn has_route<B>(&self, request: &Request<B>) -> bool {
        let answers_preflight = self.resource.cors.is_some() && is_preflight(request);
        answers_preflight || self.find(request).is_some()
    }

    fn find<B>(&self, request: &Request<B>) -> Option<routes::RouteMatch<'_>> {
        let path = match self.resource.stage.as_str() {
            "$default" => request.uri().path(),
            stage => {
                let rest = request.uri().path().strip_prefix('/')?;
                rest.strip_prefix(stage)?
            }
        };
        routes::find(&self.resource.routes, request.method().as_str(), path)
    }

    async fn route(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let Some(found) = self.find(&request) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let mut event = event::Event::new(&self.resource, &found, &request, peer);
        if let Some(Authorizer::Jwt(authorizer)) = &found.target.authorizer {
            match self
                .token_verifier
                .claims(request.headers(), authorizer)
                .await
            {
                Ok(claims) => event.set_claims(&claims),
                Err(error) => {
                    tracing::info!("a request for {} is rejected: {error}", found.key);
                    return message(StatusCode::UNAUTHORIZED, "Unauthorized");
                }
            }
        }
        let body = match http_util::read(request, MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(BodyError::TooLarge) => return too_large(),
            Err(BodyError::TooSlow) => return http_util::request_timeout(),
            Err(BodyError::Broken) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
        };
        let Some(function) = self.functions.get(&found.target.function) else {
            return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
        };
        let invocation = function.invoke(Bytes::from(event.with_body(&body).to_string()));
        let limit = found.target.timeout.min(INTEGRATION_LIMIT);
        match tokio::time::timeout(limit, invocation).await {
            Ok(Ok(answer)) => function_response(&answer),
            Ok(Err(InvokeError::EventTooLarge { .. })) => too_large(),
            Ok(Err(InvokeError::Throttled { .. })) | Err(_) => {
                message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
            }
            Ok(Err(error)) => {
                if let InvokeError::NotStarted { .. } = error {
                    tracing::error!("{error}");
                }
                message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
            }
        }
    }
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    let asks_for_method = header::ACCESS_CONTROL_REQUEST_METHOD;
    request.method() == Method::OPTIONS && request.headers().contains_key(asks_for_method)
}

fn message(status: StatusCode, text: &str) -> Response {
    http_util::json(status, &json!({"message": text}))
}

fn too_large() -> Response {
    message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
}

/// The response to the client, from the function's. Like API Gateway, takes JSON without a `statusCode`
/// as the body of a 200.
fn function_response(answer: &Bytes) -> Response {
    let Ok(value) = serde_json::from_slice::<Value>(answer) else {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    if value.get("statusCode").is_none() {
        return http_util::json(StatusCode::OK, &value);
    }
    let response = serde_json::from_value::<FunctionResponse>(value)
        .ok()
        .and_then(response);
    response.unwrap_or_else(|| message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
}

fn response(answer: FunctionResponse) -> Option<Response> {
    let body = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded {
        STANDARD.decode(body).ok()?
    } else {
        body.into_bytes()
    };
    let mut response = Response::new(http_util::full(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // The server sets the length.
        if name != header::CONTENT_LENGTH {
            headers.insert(name, HeaderValue::from_str(&text).ok()?);
        }
    }
    for cookie in &answer.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie).ok()?);
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        let text = HeaderValue::from_static("text/plain;charset=UTF-8");
        headers.insert(header::CONTENT_TYPE, text);
    }
    Some(response)
}
