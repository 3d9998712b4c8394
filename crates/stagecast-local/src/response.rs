//! The responses with files, and redirects.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use stagecast_page::{CACHE_CONTROL, media_type};

/// A response whose media type follows from the extension of `name`. Browsers must revalidate it.
pub(crate) fn file(status: StatusCode, name: &str, content: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(media_type(name));
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(CACHE_CONTROL),
    );
    response
}

/// A permanent redirect to `path`.
pub(crate) fn moved_to(path: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let location = HeaderValue::from_static(path);
    response.headers_mut().insert(header::LOCATION, location);
    response
}
