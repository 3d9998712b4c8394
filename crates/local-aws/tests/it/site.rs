//! A site beside the template's APIs.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode, request};
use local_aws::{LocalStack, Site, Urls};

use crate::harness::{get, options, send, start_with};

/// Answers every GET with the path and the stack's WebSocket URL.
#[derive(Debug)]
struct Mirror;

#[async_trait::async_trait]
impl Site for Mirror {
    async fn respond(&self, head: &request::Parts, urls: &Urls) -> Option<Response<Bytes>> {
        let body = format!("{} {}", head.uri.path(), urls.websocket);
        (head.method == Method::GET).then(|| Response::new(body.into()))
    }
}

async fn stack() -> LocalStack {
    let mut options = options();
    options.site = Some(Arc::new(Mirror));
    start_with(options).await
}

#[tokio::test]
async fn site_answers_requests_without_a_route() {
    let stack = stack().await;
    let urls = stack.urls();
    for path in ["/", "/page.html", "/v1/echo"] {
        let response = get(&format!("{}{path}", urls.http_api)).await;
        assert_eq!(response.status, StatusCode::OK, "{path}");
        assert_eq!(response.body, format!("{path} {}", urls.websocket));
    }
}

#[tokio::test]
async fn routes_take_precedence_over_the_site() {
    let stack = stack().await;
    let response = get(&format!("{}/v1/echo/a", stack.urls().http_api)).await;
    assert_eq!(response.json()["routeKey"], "GET /v1/echo/{name}");
}

#[tokio::test]
async fn preflight_reaches_the_api_before_the_site() {
    let stack = stack().await;
    let headers = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
    ];
    let url = format!("{}/page.html", stack.urls().http_api);
    let response = send(Method::OPTIONS, &url, &headers, "").await;
    let allowed = response.header("access-control-allow-origin");
    assert_eq!(allowed, Some("https://app.example.com"));
}

#[tokio::test]
async fn request_that_the_site_declines_is_not_found() {
    let stack = stack().await;
    let url = format!("{}/page.html", stack.urls().http_api);
    let response = send(Method::POST, &url, &[], "").await;
    assert_eq!(response.status, StatusCode::NOT_FOUND);
    assert_eq!(response.json()["message"], "Not Found");
}
