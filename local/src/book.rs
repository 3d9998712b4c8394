//! Serves the documentation book from the folder that `just book` builds it to.
//!
//! The book is not embedded in the executable, because building it needs mdBook. Until it is built, a
//! placeholder page names the command.

use std::path::{Component, Path, PathBuf};

use http::{HeaderValue, Method, Request, StatusCode, header};

use crate::{
    http_util::{self, Response},
    static_files::{media_type, moved_to},
};

/// The folder that `just book` builds the book to.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/book");

/// The path of the book's front page.
const ROOT: &str = "/book/";

/// The placeholder page.
const NOT_BUILT: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Stagecast: the book is not built</title>
<h1>The book is not built</h1>
<p>Run <code>just book</code> (or <code>bash .ci/steps/book</code>) in the workspace, then reload this page.
It needs Python 3.9 or later. The sources of the book are the Markdown files in <code>docs/</code>.</p>
<p>The reference pages of both APIs are always there: <a href=\"/docs/\">/docs/</a>.</p>
";

/// The response to a request for the book; `None` for any other path.
pub(crate) async fn handle<B>(request: &Request<B>, folder: &Path) -> Option<Response> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return None;
    }
    let path = request.uri().path();
    if path == ROOT.trim_end_matches('/') {
        // Relative links on the front page need the slash.
        return Some(moved_to(ROOT));
    }
    let relative = file(path.strip_prefix(ROOT)?)?;
    if let Ok(content) = tokio::fs::read(folder.join(&relative)).await {
        let name = relative.to_string_lossy();
        return Some(page(StatusCode::OK, media_type(&name), content));
    }
    let is_built = tokio::fs::try_exists(folder.join("index.html")).await;
    if is_built.unwrap_or(false) {
        return None;
    }
    let html = media_type("index.html");
    Some(page(
        StatusCode::NOT_FOUND,
        html,
        NOT_BUILT.as_bytes().to_vec(),
    ))
}

/// The path of a file relative to the book's folder; `None` if it would leave the folder.
fn file(path: &str) -> Option<PathBuf> {
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()?;
    let mut file = PathBuf::from(path.as_ref());
    let stays_inside = file
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if path.is_empty() || path.ends_with('/') {
        file.push("index.html");
    }
    stays_inside.then_some(file)
}

fn page(status: StatusCode, media_type: &'static str, content: Vec<u8>) -> Response {
    let mut response = Response::new(http_util::full(content));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    // The book may be rebuilt at any time.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(folder: &Path, path: &str) -> Option<Response> {
        let request = Request::get(path).body(()).expect("a request");
        handle(&request, folder).await
    }

    #[test]
    fn paths_stay_inside_the_book() {
        assert_eq!(file(""), Some("index.html".into()));
        assert_eq!(file("guide/"), Some("guide/index.html".into()));
        assert_eq!(file("guide/a%20b.html"), Some("guide/a b.html".into()));
        for path in [
            "../Cargo.toml",
            "guide/%2e%2e/%2e%2e/x",
            "/etc/passwd",
            "%2Fetc/passwd",
        ] {
            assert_eq!(file(path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn built_book_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("index.html"), "<p>a book</p>").expect("a page");
        let front = get(folder.path(), "/book/").await.expect("an answer");
        assert_eq!(front.status(), StatusCode::OK);
        assert_eq!(front.headers()["content-type"], "text/html; charset=utf-8");
        let moved = get(folder.path(), "/book").await.expect("an answer");
        assert_eq!(moved.headers()["location"], "/book/");
        assert!(get(folder.path(), "/book/none.html").await.is_none());
        assert!(get(folder.path(), "/bookmark").await.is_none());
    }

    #[tokio::test]
    async fn missing_book_names_the_command_that_builds_it() {
        use http_body_util::BodyExt as _;

        let folder = tempfile::tempdir().expect("a folder");
        let missing = get(folder.path(), "/book/").await.expect("an answer");
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        let body = missing.into_body().collect().await.expect("a body");
        let html = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        assert!(html.contains("just book"), "{html}");
    }
}
