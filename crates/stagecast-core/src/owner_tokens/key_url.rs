//! Fetches a document of keys over HTTPS.

use std::{io, sync::OnceLock};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, Request, StatusCode, Uri,
    header::{ACCEPT, CACHE_CONTROL},
    uri::Scheme,
};
use outbound_https::{Addresses, HttpsClient, Limits};
use token_verifier::MAX_KEY_SET_BYTES;

use super::{
    FetchError, FetchKeys, KeyDocument,
    remote_keys::{MAX_CONNECT, MAX_FETCH},
};

/// The URL of a JWKS document.
#[derive(Debug)]
pub(super) struct KeyUrl {
    url: Uri,
    /// Made by the first fetch, because it reads the machine's root certificates.
    client: OnceLock<HttpsClient>,
}

impl KeyUrl {
    /// `url` is `https://`; on this machine, for tests and development, also `http://`.
    pub(super) const fn new(url: Uri) -> Self {
        Self {
            url,
            client: OnceLock::new(),
        }
    }

    fn client(&self) -> io::Result<&HttpsClient> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let addresses = if self.url.scheme() == Some(&Scheme::HTTP) {
            Addresses::PublicOrLoopback
        } else {
            Addresses::Public
        };
        let client = HttpsClient::new(
            addresses,
            Limits {
                connect: MAX_CONNECT,
                total: MAX_FETCH,
                body_bytes: MAX_KEY_SET_BYTES,
            },
        )?;
        Ok(self.client.get_or_init(|| client))
    }

    async fn get(&self) -> Result<KeyDocument, FetchError> {
        let failed = |cause: String| FetchError::Failed(cause);
        let client = self.client().map_err(|error| failed(error.to_string()))?;
        let request = Request::get(&self.url)
            .header(ACCEPT, "application/jwk-set+json, application/json")
            .body(Bytes::new())
            .map_err(|error| failed(error.to_string()))?;
        let response = client.send(request).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        if response.status != StatusCode::OK {
            let status = response.status.as_u16();
            return Err(failed(format!(
                "the status is {status} and not 200; redirects are not followed"
            )));
        }
        if response.is_truncated {
            return Err(failed(format!(
                "the document has more than {MAX_KEY_SET_BYTES} bytes"
            )));
        }
        let body = String::from_utf8(response.body.into())
            .map_err(|_| failed("the document is not UTF-8".to_owned()))?;
        Ok(KeyDocument {
            body,
            max_age: max_age(&response.headers),
        })
    }
}

impl FetchKeys for KeyUrl {
    fn fetch(&self) -> BoxFuture<'_, Result<KeyDocument, FetchError>> {
        Box::pin(self.get())
    }
}

/// `max-age` of `Cache-Control`, in seconds; 0 with `no-store` or `no-cache`.
fn max_age(headers: &HeaderMap) -> Option<i64> {
    let values = headers.get_all(CACHE_CONTROL).into_iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let ages = values.flat_map(|value| value.split(',')).filter_map(|it| {
        let directive = it.trim().to_ascii_lowercase();
        match &*directive {
            "no-store" | "no-cache" => Some(0),
            _ => directive
                .strip_prefix("max-age=")
                .and_then(|age| age.trim_matches('"').parse().ok()),
        }
    });
    ages.min()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    /// Answers one request with these bytes, from another thread. Returns the URL.
    fn serve(answer: String) -> Uri {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut buffer).expect("a request");
                request.extend_from_slice(&buffer[..read]);
            }
            // The client closes the connection when it has read enough.
            let _ = stream.write_all(answer.as_bytes());
        });
        format!("http://{address}/keys").parse().expect("a URL")
    }

    fn response(status: &str, headers: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
    }

    async fn fetch(answer: String) -> Result<KeyDocument, FetchError> {
        KeyUrl::new(serve(answer)).fetch().await
    }

    #[tokio::test]
    async fn document_is_fetched_with_its_max_age() {
        let fetched = fetch(response(
            "200 OK",
            "cache-control: public, max-age=300\r\n",
            "{}",
        ));
        let document = KeyDocument {
            body: "{}".to_owned(),
            max_age: Some(300),
        };
        assert_eq!(fetched.await, Ok(document));
    }

    #[tokio::test]
    async fn redirect_error_and_oversized_document_are_refused() {
        let redirect = response("302 Found", "location: http://127.0.0.1/\r\n", "");
        for (answer, expected) in [
            (redirect, "302"),
            (response("503 Service Unavailable", "", ""), "503"),
            (
                response("200 OK", "", &"x".repeat(64 * 1024 + 1)),
                "65536 bytes",
            ),
        ] {
            let error = fetch(answer).await.expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[tokio::test]
    async fn private_address_and_plain_http_elsewhere_are_refused() {
        for (url, expected) in [
            ("https://127.0.0.1/keys", "not a public one"),
            ("https://169.254.169.254/latest", "not a public one"),
            ("http://login.example.com/keys", "use https"),
        ] {
            let url = KeyUrl::new(url.parse().expect("a URL"));
            let error = url.fetch().await.expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn max_age_is_read_from_cache_control() {
        for (value, expected) in [
            ("max-age=60", Some(60)),
            ("Public, MAX-AGE=\"60\" , must-revalidate", Some(60)),
            ("max-age=60, no-cache", Some(0)),
            ("no-store", Some(0)),
            ("max-age=soon", None),
            ("s-maxage=60", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().expect("a value"));
            assert_eq!(max_age(&headers), expected, "{value}");
        }
    }
}
