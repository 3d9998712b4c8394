//! The progress page and the API documentation, embedded in the executable.

use contract::input::INPUT;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::json;

use crate::http_util::{self, Response};

/// Name and content of each file in `generated/page`, which is built from `client/page`.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// Name and content of each file in `generated/docs`.
const DOCS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/docs_files.rs"));

/// The response to a request for the page or the documentation; `None` for any other path.
pub(crate) fn handle<B>(request: &Request<B>, http_api: &str, websocket: &str) -> Option<Response> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return None;
    }
    let name = match request.uri().path() {
        "/" => "index.html",
        path => path.strip_prefix('/')?,
    };
    if name == "config.json" {
        let body = json!({"http_api": http_api, "websocket": websocket, "input": INPUT});
        return Some(http_util::json(StatusCode::OK, &body));
    }
    let (files, name) = match name.strip_prefix("docs") {
        // Relative links on the page need the slash.
        Some("") => return Some(moved_to("/docs/")),
        Some("/") => (DOCS, "index.html"),
        Some(rest) => (DOCS, rest.strip_prefix('/')?),
        None => (FILES, name),
    };
    let (_, content) = files.iter().find(|(known, _)| *known == name)?;
    let mut response = Response::new(http_util::full(*content));
    let media_type = HeaderValue::from_static(media_type(name));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    // File names do not change with their content, so browsers must revalidate.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Some(response)
}

pub(crate) fn moved_to(path: &'static str) -> Response {
    let mut response = http_util::empty(StatusCode::PERMANENT_REDIRECT);
    let location = HeaderValue::from_static(path);
    response.headers_mut().insert(header::LOCATION, location);
    response
}

pub(crate) fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("ico") => "image/x-icon",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("png") => "image/png",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
