//! The progress page and the API documentation: those of the product, or the embedded ones.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Response, StatusCode};
use local_aws::Urls;
use stagecast_contract::input::InputRules;
use stagecast_page::{API_REFERENCE, CONFIG, INDEX, PAGE, config, has_page};

use crate::response::{file, moved_to};

/// The progress page and the API documentation of a product.
#[derive(Debug)]
pub(crate) struct StaticFiles {
    input: &'static InputRules,
    /// The folder with the product's own page and documentation. A file that is not there is the embedded one.
    generated: PathBuf,
}

impl StaticFiles {
    pub(crate) fn new(input: &'static InputRules, workspace: &Path) -> Self {
        Self {
            input,
            generated: workspace.join("generated"),
        }
    }

    /// The response to a request for the page or the documentation; `None` for any other path.
    pub(crate) async fn respond(&self, path: &str, urls: &Urls) -> Option<Response<Bytes>> {
        let name = match path {
            "/" => INDEX,
            path => path.strip_prefix('/')?,
        };
        if name == CONFIG {
            let Urls {
                http_api,
                websocket,
                ..
            } = urls;
            let config = config(http_api, websocket, self.input);
            return Some(file(StatusCode::OK, name, config));
        }
        let (folder, embedded, name) = match name.strip_prefix("docs") {
            // Relative links on the page need the slash.
            Some("") => return Some(moved_to("/docs/")),
            Some("/") => ("docs", API_REFERENCE, INDEX),
            Some(rest) => ("docs", API_REFERENCE, rest.strip_prefix('/')?),
            None => ("page", PAGE, name),
        };
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return None;
        }
        let folder = self.generated.join(folder);
        if has_page(&folder) {
            let content = tokio::fs::read(folder.join(name)).await.ok()?;
            return Some(file(StatusCode::OK, name, content));
        }
        let (_, content) = embedded.iter().find(|(known, _)| *known == name)?;
        Some(file(StatusCode::OK, name, *content))
    }
}

#[cfg(test)]
mod tests {
    use stagecast_contract::input::{any_parameters, no_check};

    use super::*;

    fn urls() -> Urls {
        Urls {
            http_api: "http://127.0.0.1:4800".to_owned(),
            websocket: "ws://127.0.0.1:4800/live".to_owned(),
            endpoint_url: "http://127.0.0.1:4800".to_owned(),
        }
    }

    const INPUT: InputRules = InputRules {
        name: "order",
        media_types: &[],
        max_bytes: 1,
        check: no_check,
        check_parameters: any_parameters,
        example: "",
    };

    fn without_own_files() -> StaticFiles {
        StaticFiles::new(&INPUT, Path::new("/nonexistent"))
    }

    async fn html(path: &str) -> String {
        let response = without_own_files().respond(path, &urls()).await;
        let response = response.unwrap_or_else(|| panic!("no page at {path}"));
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let media_type = &response.headers()["content-type"];
        assert_eq!(media_type, "text/html; charset=utf-8", "{path}");
        String::from_utf8(response.body().to_vec()).expect("text")
    }

    #[tokio::test]
    async fn documentation_is_served_with_every_file_it_loads() {
        let files = without_own_files();
        let moved = files.respond("/docs", &urls()).await.expect("a response");
        assert_eq!(moved.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(moved.headers()["location"], "/docs/");
        for page in ["", "http.html", "websocket.html"] {
            let html = html(&format!("/docs/{page}")).await;
            let loaded = html.split("src=\"").skip(1);
            let linked = html.split("<link rel=\"stylesheet\" href=\"").skip(1);
            for rest in loaded.chain(linked) {
                let (name, _) = rest.split_once('"').expect("the end of an address");
                let file = files.respond(&format!("/docs/{name}"), &urls()).await;
                assert!(file.is_some(), "{name}");
            }
        }
        let missing = files.respond("/docs/none.html", &urls()).await;
        assert!(missing.is_none());
    }

    #[tokio::test]
    async fn progress_page_is_the_front_page() {
        assert_eq!(html("/").await, html("/index.html").await);
        let api = without_own_files().respond("/v1/jobs", &urls()).await;
        assert!(api.is_none());
    }

    #[tokio::test]
    async fn page_of_the_product_replaces_the_embedded_one() {
        let workspace = tempfile::tempdir().expect("a folder");
        let page = workspace.path().join("generated/page");
        std::fs::create_dir_all(&page).expect("a folder");
        std::fs::write(page.join("index.html"), "<p>ours</p>").expect("a page");
        let files = StaticFiles::new(&INPUT, workspace.path());
        let front = files.respond("/", &urls()).await.expect("the page");
        assert_eq!(front.body(), "<p>ours</p>");
        let embedded = files.respond("/page.js", &urls()).await;
        assert!(embedded.is_none(), "the embedded page has other files");
        assert!(files.respond("/../page.js", &urls()).await.is_none());
        let docs = files.respond("/docs/", &urls()).await;
        assert!(docs.is_some(), "the embedded documentation");
    }
}
