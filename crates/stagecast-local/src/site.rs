//! What the local stack serves besides the template: progress page, API documentation and book.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};
use local_aws::{Site, Urls};

use crate::{Local, book, static_files::StaticFiles};

/// The progress page, the API documentation and the book.
#[derive(Debug)]
pub(crate) struct ProductSite {
    files: StaticFiles,
    /// The folder of the built book. If it is missing, a page names the command to build it.
    book: PathBuf,
}

impl ProductSite {
    pub(crate) fn new(local: &Local) -> Self {
        Self {
            files: StaticFiles::new(local.project.product.input, &local.workspace),
            book: local.workspace.join(book::FOLDER),
        }
    }
}

#[async_trait]
impl Site for ProductSite {
    async fn respond(&self, head: &request::Parts, urls: &Urls) -> Option<Response<Bytes>> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return None;
        }
        let path = head.uri.path();
        match self.files.respond(path, urls).await {
            Some(response) => Some(response),
            None => book::respond(path, &self.book).await,
        }
    }
}

/// A response whose media type follows from the extension of `name`. File names do not change with their
/// content, so browsers must revalidate.
pub(crate) fn file(status: StatusCode, name: &str, content: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(media_type(name));
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
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

fn media_type(name: &str) -> &'static str {
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
