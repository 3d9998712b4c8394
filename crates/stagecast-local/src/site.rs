//! What the local stack serves besides the template: progress page, API documentation and book.

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Response, request};
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
