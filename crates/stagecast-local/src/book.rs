//! Serves the documentation book from the folder that `just book` builds it to.
//!
//! The book is not embedded in the executable, because building it needs mdBook. Until it is built, a
//! placeholder page names the command.

use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::response::{file, moved_to};

/// The folder in the workspace that `just book` builds the book to.
pub(crate) const FOLDER: &str = "target/book";

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
pub(crate) async fn respond(path: &str, folder: &Path) -> Option<Response<Bytes>> {
    if path == ROOT.trim_end_matches('/') {
        // Relative links on the front page need the slash.
        return Some(moved_to(ROOT));
    }
    let relative = relative_path(path.strip_prefix(ROOT)?)?;
    if let Ok(content) = tokio::fs::read(folder.join(&relative)).await {
        let name = relative.to_string_lossy();
        return Some(file(StatusCode::OK, &name, content));
    }
    let is_built = tokio::fs::try_exists(folder.join("index.html")).await;
    if is_built.unwrap_or(false) {
        return None;
    }
    Some(file(StatusCode::NOT_FOUND, "index.html", NOT_BUILT))
}

/// The path of a file relative to the book's folder; `None` if it would leave the folder.
fn relative_path(path: &str) -> Option<PathBuf> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_the_book() {
        assert_eq!(relative_path(""), Some("index.html".into()));
        assert_eq!(relative_path("guide/"), Some("guide/index.html".into()));
        assert_eq!(
            relative_path("guide/a%20b.html"),
            Some("guide/a b.html".into())
        );
        for path in [
            "../../Cargo.toml",
            "guide/%2e%2e/%2e%2e/x",
            "/etc/passwd",
            "%2Fetc/passwd",
        ] {
            assert_eq!(relative_path(path), None, "{path}");
        }
    }

    #[tokio::test]
    async fn built_book_is_served() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("index.html"), "<p>a book</p>").expect("a page");
        let front = respond("/book/", folder.path()).await.expect("an answer");
        assert_eq!(front.status(), StatusCode::OK);
        assert_eq!(front.headers()["content-type"], "text/html; charset=utf-8");
        let moved = respond("/book", folder.path()).await.expect("an answer");
        assert_eq!(moved.headers()["location"], "/book/");
        assert!(respond("/book/none.html", folder.path()).await.is_none());
        assert!(respond("/bookmark", folder.path()).await.is_none());
    }

    #[tokio::test]
    async fn missing_book_names_the_command_that_builds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = respond("/book/", folder.path()).await.expect("an answer");
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        let html = String::from_utf8(missing.body().to_vec()).expect("text");
        assert!(html.contains("just book"), "{html}");
    }
}
