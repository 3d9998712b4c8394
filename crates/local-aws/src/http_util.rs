//! Helpers for HTTP requests and responses.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Response = http::Response<Body>;

/// A body from memory.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A response with a JSON body.
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
    /// It has not ended within [`REQUEST_TIMEOUT`].
    TooSlow,
    /// The connection broke.
    Broken,
}

/// The time limit for a request's headers, and again for its body.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the whole body, up to `limit` bytes and within [`REQUEST_TIMEOUT`]. The rest of a larger body
/// is read and dropped: many clients read the response only after they have sent everything.
pub(crate) async fn read<B>(request: Request<B>, limit: usize) -> Result<Bytes, BodyError>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    read_body(request.into_body(), limit).await
}

/// [`read`] for a body without its request.
pub(crate) async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    read_within(body, limit, REQUEST_TIMEOUT).await
}

async fn read_within<B>(mut body: B, limit: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let deadline = Instant::now() + timeout;
    let mut limited = Limited::new(&mut body, limit);
    match timeout_at(deadline, (&mut limited).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let rest = async { while let Some(Ok(_)) = body.frame().await {} };
            // A client that is still sending gets the response and then a closed connection.
            let _ = timeout_at(deadline, rest).await;
            Err(BodyError::TooLarge)
        }
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_) => Err(BodyError::TooSlow),
    }
}

/// The response to a request whose body could not be read; `None` if the connection is broken.
pub(crate) fn body_error_response(error: &BodyError) -> Option<Response> {
    match error {
        BodyError::TooLarge => Some(empty(StatusCode::PAYLOAD_TOO_LARGE)),
        BodyError::TooSlow => Some(request_timeout()),
        BodyError::Broken => None,
    }
}

/// The response to a request whose body did not end in time. It closes the connection, because the
/// rest of the body is not read.
pub(crate) fn request_timeout() -> Response {
    let message = format!(
        "the request's body did not end within {} seconds",
        REQUEST_TIMEOUT.as_secs()
    );
    let mut response = json(
        StatusCode::REQUEST_TIMEOUT,
        &serde_json::json!({ "message": message }),
    );
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// A header's value; empty if it is missing or not text.
pub(crate) fn header_text(headers: &HeaderMap, name: impl header::AsHeaderName) -> &str {
    let value = headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The access key id of a request's signature, from the `Authorization` header or the query.
pub(crate) fn access_key_id<B>(request: &Request<B>) -> Option<String> {
    Some(credential(request)?.split('/').next()?.to_owned())
}

/// The service that a request is signed for, such as `s3`.
pub(crate) fn signed_service<B>(request: &Request<B>) -> Option<String> {
    // Key id, date, region, service, `aws4_request`.
    Some(credential(request)?.split('/').nth(3)?.to_owned())
}

/// The credential scope of a request's signature.
fn credential<B>(request: &Request<B>) -> Option<String> {
    let authorization = header_text(request.headers(), header::AUTHORIZATION);
    if authorization.starts_with("AWS4-HMAC-SHA256") {
        let (_, credential) = authorization.split_once("Credential=")?;
        return Some(credential.split(',').next()?.to_owned());
    }
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    let (_, credential) = parameters.find(|(name, _)| name == "X-Amz-Credential")?;
    Some(credential.into_owned())
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::{Body as HttpBody, Frame};

    use super::*;

    /// A body of these chunks, followed by `rest`.
    fn body(
        chunks: &[&'static str],
        rest: impl futures_util::Stream<Item = &'static str> + Unpin,
    ) -> impl HttpBody<Data = Bytes, Error = std::io::Error> + Unpin {
        let chunks = stream::iter(chunks.to_vec()).chain(rest);
        StreamBody::new(chunks.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
    }

    /// An endless body, with one chunk per second.
    fn trickle() -> impl futures_util::Stream<Item = &'static str> + Unpin {
        Box::pin(stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some(("x", ()))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn body_that_ends_in_time_is_read() {
        let read = read_within(body(&["a", "b"], stream::empty()), 2, REQUEST_TIMEOUT).await;
        assert_eq!(read.expect("a body"), "ab");
    }

    #[tokio::test(start_paused = true)]
    async fn endless_body_times_out() {
        for rest in [stream::pending().left_stream(), trickle().right_stream()] {
            let start = Instant::now();
            let read = read_within(body(&["a"], rest), 1000, REQUEST_TIMEOUT).await;
            assert!(matches!(read, Err(BodyError::TooSlow)), "{read:?}");
            assert_eq!(start.elapsed(), REQUEST_TIMEOUT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn draining_a_large_body_times_out() {
        let start = Instant::now();
        let read = read_within(body(&["abc"], trickle()), 2, REQUEST_TIMEOUT).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
        assert_eq!(start.elapsed(), REQUEST_TIMEOUT);
    }
}
