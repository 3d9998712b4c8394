//! A plain HTTP client.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::ClientConfig;
use serde_json::Value;

use crate::tls;

/// An HTTP client for one server.
#[derive(Clone, Debug)]
pub struct Http {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON: {error}: {:?}", self.body))
    }
}

impl Http {
    /// A client for the server at `base`.
    pub fn new(base: impl Into<String>) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(ClientConfig::clone(&tls::config()))
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            base: base.into(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// The address of the server.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request with these headers.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response {
        let uri = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response = self.client.request(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Response {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Sends a request with a key as the bearer token.
    pub async fn with_key(&self, method: Method, path: &str, key: &str) -> Response {
        let authorization = format!("Bearer {key}");
        self.request(method, path, &[("authorization", &authorization)], "")
            .await
    }
}
