//! Requests and answers of the one port.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

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
    /// It has not ended in time.
    TooSlow,
    /// The connection broke.
    Broken,
}

/// How long a client may take for a request's headers, and how long for its body.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The whole body, up to a limit in bytes and to [`REQUEST_TIMEOUT`]. The rest of a larger body is
/// read and dropped, so that clients that only listen after sending get the answer.
pub(crate) async fn read<B>(request: Request<B>, limit: usize) -> Result<Bytes, BodyError>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    read_body(request.into_body(), limit).await
}

/// [`read`], of a body on its own.
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
            // A client that goes on sending gets the answer, and then a closed connection.
            let _ = timeout_at(deadline, rest).await;
            Err(BodyError::TooLarge)
        }
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_) => Err(BodyError::TooSlow),
    }
}

/// The answer to a request whose body could not be read; none if the connection is broken.
pub(crate) fn unread(error: &BodyError) -> Option<Response> {
    match error {
        BodyError::TooLarge => Some(empty(StatusCode::PAYLOAD_TOO_LARGE)),
        BodyError::TooSlow => Some(too_slow()),
        BodyError::Broken => None,
    }
}

/// The answer to a request whose body does not end. The rest of the body is not read, so the
/// connection cannot be used for another request.
pub(crate) fn too_slow() -> Response {
    let message = format!(
        "the request's body has not ended within {} seconds",
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

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};
    use http_body_util::StreamBody;
    use hyper::body::{Body as HttpBody, Frame};

    use super::*;

    /// A body of these chunks that goes on as `rest` says.
    fn body(
        chunks: &[&'static str],
        rest: impl futures_util::Stream<Item = &'static str> + Unpin,
    ) -> impl HttpBody<Data = Bytes, Error = std::io::Error> + Unpin {
        let chunks = stream::iter(chunks.to_vec()).chain(rest);
        StreamBody::new(chunks.map(|chunk| Ok(Frame::data(Bytes::from_static(chunk.as_bytes())))))
    }

    /// A chunk each second, for ever.
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
    async fn body_that_never_ends_is_cut() {
        for rest in [stream::pending().left_stream(), trickle().right_stream()] {
            let start = Instant::now();
            let read = read_within(body(&["a"], rest), 1000, REQUEST_TIMEOUT).await;
            assert!(matches!(read, Err(BodyError::TooSlow)), "{read:?}");
            assert_eq!(start.elapsed(), REQUEST_TIMEOUT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rest_of_a_large_body_is_not_read_for_ever() {
        let start = Instant::now();
        let read = read_within(body(&["abc"], trickle()), 2, REQUEST_TIMEOUT).await;
        assert!(matches!(read, Err(BodyError::TooLarge)), "{read:?}");
        assert_eq!(start.elapsed(), REQUEST_TIMEOUT);
    }
}
