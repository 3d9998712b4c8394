//! What a stack serves besides its template.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Response, request};

use crate::urls::Urls;

/// Pages and files on the port of a stack, for example a client of its APIs. The template does not contain
/// them: on AWS they are hosted elsewhere.
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, request};
/// use local_aws::{Site, Urls};
///
/// #[derive(Debug)]
/// struct ClientConfig;
///
/// #[async_trait::async_trait]
/// impl Site for ClientConfig {
///     async fn respond(&self, head: &request::Parts, urls: &Urls) -> Option<Response<Bytes>> {
///         let body = format!("{{\"socket\": \"{}\"}}", urls.websocket);
///         (head.uri.path() == "/config.json").then(|| Response::new(body.into()))
///     }
/// }
/// ```
#[async_trait]
pub trait Site: fmt::Debug + Send + Sync {
    /// The response to a request for which the HTTP API has no route; `None` is the HTTP API's 404. An API
    /// with the route `$default` leaves no requests.
    async fn respond(&self, head: &request::Parts, urls: &Urls) -> Option<Response<Bytes>>;
}
