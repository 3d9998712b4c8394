//! Requests and answers of the one port.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde_json::Value;

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Response = http::Response<Body>;

/// A body that is in memory.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// An answer with a JSON body.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(full(body.to_string()));
    *response.status_mut() = status;
    let content_type = header::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// Why a body could not be read.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is over the limit.
    TooLarge,
    /// The connection broke.
    Broken,
}

/// The whole body, up to a limit in bytes. What is over the limit is read and dropped, so that
/// clients that only listen after sending get the answer.
pub(crate) async fn read(request: Request<Incoming>, limit: usize) -> Result<Bytes, BodyError> {
    let mut body = request.into_body();
    let mut limited = Limited::new(&mut body, limit);
    match (&mut limited).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            while let Some(Ok(_)) = body.frame().await {}
            Err(BodyError::TooLarge)
        }
        Err(_) => Err(BodyError::Broken),
    }
}

/// A header's text, empty if there is none.
pub(crate) fn header_text(headers: &HeaderMap, name: impl header::AsHeaderName) -> &str {
    let value = headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The access key id that a request is signed with, in its header or in its query.
pub(crate) fn access_key_id<B>(request: &Request<B>) -> Option<String> {
    let authorization = header_text(request.headers(), header::AUTHORIZATION);
    if authorization.starts_with("AWS4-HMAC-SHA256") {
        let (_, credential) = authorization.split_once("Credential=")?;
        return Some(credential.split('/').next()?.to_owned());
    }
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    let (_, credential) = parameters.find(|(name, _)| name == "X-Amz-Credential")?;
    Some(credential.split('/').next()?.to_owned())
}
