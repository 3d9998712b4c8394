//! The HTTP transport: for this client, and for programs that call further routes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::{HeaderMap, Method, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use serde::de::DeserializeOwned;

use crate::{
    backoff::Backoff,
    error::{Error, Rejection},
};

/// Time for a response, its body included.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);
/// Time without a byte after which a transfer has failed. A slow one takes any time.
const STALL_TIMEOUT: Duration = Duration::from_mins(1);
/// Attempts at a request that may be repeated.
const ATTEMPTS: u32 = 8;
/// Longest wait that a response can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(1);

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The HTTP API of a Stagecast stack. Clones share their connections, which belong to the tokio runtime that
/// made the first request.
#[derive(Clone, Debug)]
pub struct HttpClient {
    base: Arc<str>,
    tls: Arc<ClientConfig>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

/// A request to the service.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    target: String,
    headers: Vec<(header::HeaderName, String)>,
    body: Bytes,
}

/// A response with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, 200 to 399.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    url: String,
}

/// A response whose body is read in pieces.
#[derive(Debug)]
pub struct Download {
    /// The status, 200 to 299.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    url: String,
}

impl Request {
    /// A request to a path, such as `/v1/jobs`, or to a whole address.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// A GET.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    /// A POST with a JSON body. Its media type is `application/octet-stream`, because API Gateway passes
    /// `application/json` on as a string, in which quotes count twice against the size limit.
    pub fn post(target: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, target)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Authorizes the request with a key or a token.
    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header(header::AUTHORIZATION, format!("Bearer {key}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Response {
    /// Reads the body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::UnexpectedResponse {
            url: self.url.clone(),
            cause: error.to_string(),
        })
    }

    /// The seconds of the header `retry-after`.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }
}

impl Download {
    /// The next bytes of the body; none after its end. Fails if none arrive for a minute.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let frame = tokio::time::timeout(STALL_TIMEOUT, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| stalled(&self.url, "received"))? else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| unreachable(&self.url, &error))?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Bytes, Error> {
        let mut all = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all.into())
    }
}

impl HttpClient {
    /// The API at `base`, such as `https://api.example.com` or `http://127.0.0.1:4800`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUrl`].
    pub fn new(base: &str) -> Result<Self, Error> {
        let invalid = |cause: &str| Error::InvalidUrl {
            url: base.to_owned(),
            cause: cause.to_owned(),
        };
        let base = base.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| invalid("it is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid("it does not start with http:// or https://"));
        }
        if uri.query().is_some() {
            return Err(invalid("it has a query"));
        }
        let tls = tls_config();
        Ok(Self {
            base: base.into(),
            client: client(&tls),
            tls,
        })
    }

    /// The same API with separate connections, for another tokio runtime.
    #[must_use]
    pub fn with_separate_connections(&self) -> Self {
        Self {
            base: Arc::clone(&self.base),
            tls: Arc::clone(&self.tls),
            client: client(&self.tls),
        }
    }

    /// The address without a slash at its end.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.tls)
    }

    /// Sends a request once, and reads the response.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] for a status from 400, [`Error::Unreachable`] without a response.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        let body = Full::new(request.body.clone()).map_err(|never| match never {});
        let exchange = async {
            let (url, response) = self.exchange(request, body.boxed_unsync()).await?;
            read(url, response).await
        };
        // Boxed, because the futures of the connection are large.
        timed(&self.base, Box::pin(exchange)).await
    }

    /// Sends a request, and repeats it after failures that may pass. The service must accept a repetition.
    ///
    /// # Errors
    ///
    /// The last error.
    pub async fn send_with_retries(&self, request: Request) -> Result<Response, Error> {
        let mut failures = 0;
        loop {
            let error = match self.send(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            failures += 1;
            if !error.is_transient() || failures == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(wait_after(&error, failures)).await;
        }
    }

    /// Sends a GET, and returns its response before the body is read. Follows a redirect to a presigned URL,
    /// which does not receive the key. Repeated after failures that may pass.
    ///
    /// # Errors
    ///
    /// The last error.
    pub async fn download(&self, request: Request) -> Result<Download, Error> {
        let mut failures = 0;
        loop {
            let error = match Box::pin(self.download_once(request.clone())).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            failures += 1;
            if !error.is_transient() || failures == ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(wait_after(&error, failures)).await;
        }
    }

    async fn download_once(&self, request: Request) -> Result<Download, Error> {
        let (url, response) = self.open(request).await?;
        let Some(location) = location(&response) else {
            return Self::accept_download(url, response).await;
        };
        let (url, response) = self.open(Request::get(location)).await?;
        Self::accept_download(url, response).await
    }

    /// Sends a request once, and returns its response before the body is read.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] for a status from 300, [`Error::Unreachable`] without a response.
    pub async fn download_without_redirect(&self, request: Request) -> Result<Download, Error> {
        let (url, response) = Box::pin(self.open(request)).await?;
        Self::accept_download(url, response).await
    }

    async fn open(&self, request: Request) -> Result<(String, http::Response<Incoming>), Error> {
        let body = Full::new(request.body.clone()).map_err(|never| match never {});
        timed(&self.base, self.exchange(request, body.boxed_unsync())).await
    }

    async fn accept_download(
        url: String,
        response: http::Response<Incoming>,
    ) -> Result<Download, Error> {
        if !response.status().is_success() {
            read(url.clone(), response).await?;
            return Err(Error::UnexpectedResponse {
                url,
                cause: "a redirect to a redirect".to_owned(),
            });
        }
        let (parts, body) = response.into_parts();
        Ok(Download {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            url,
        })
    }

    /// Sends a request whose body is read while it is sent. Its headers have to contain `content-length`. It takes
    /// any time, but fails if no byte is sent for a minute or two.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] for a status from 400, [`Error::Unreachable`] without a response.
    pub async fn send_stream(
        &self,
        request: Request,
        content: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<Response, Error> {
        let url = without_query(&request.target);
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let frames = content.map_ok(move |chunk| {
            counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            Frame::data(chunk)
        });
        let body = StreamBody::new(frames).boxed_unsync();
        let mut exchange = Box::pin(async {
            let (url, response) = self.exchange(request, body).await?;
            read(url, response).await
        });
        let mut before = 0;
        loop {
            if let Ok(response) = tokio::time::timeout(STALL_TIMEOUT, &mut exchange).await {
                return response;
            }
            let now = sent.load(Ordering::Relaxed);
            if now == before {
                return Err(stalled(&url, "sent"));
            }
            before = now;
        }
    }

    async fn exchange(
        &self,
        request: Request,
        body: Body,
    ) -> Result<(String, http::Response<Incoming>), Error> {
        let target = if request.target.starts_with('/') {
            format!("{}{}", self.base, request.target)
        } else {
            request.target
        };
        let url = without_query(&target);
        let uri: Uri = target.parse().map_err(|_| Error::InvalidUrl {
            url: url.clone(),
            cause: "it is not a URL".to_owned(),
        })?;
        // A signed URL of a service over TLS is never followed without it.
        if uri.scheme() == Some(&Scheme::HTTP) && self.base.starts_with("https:") {
            return Err(Error::InvalidUrl {
                url,
                cause: "the service uses https://, and this address does not".to_owned(),
            });
        }
        let mut built = http::Request::builder().method(request.method).uri(uri);
        for (name, value) in request.headers {
            built = built.header(name, value);
        }
        let built = built.body(body).map_err(|error| Error::InvalidUrl {
            url: url.clone(),
            cause: error.to_string(),
        })?;
        match self.client.request(built).await {
            Ok(response) => Ok((url, response)),
            Err(error) => Err(unreachable(&url, &error)),
        }
    }
}

/// Reads a response that is no error.
async fn read(url: String, response: http::Response<Incoming>) -> Result<Response, Error> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await;
    let body = body.map_err(|error| unreachable(&url, &error))?.to_bytes();
    let status = parts.status.as_u16();
    if status >= 400 {
        let wait = retry_after(&parts.headers);
        let mut rejection = Rejection::read(status, &body, wait);
        let header = parts.headers.get("x-request-id");
        let request_id = header.and_then(|id| id.to_str().ok()).map(str::to_owned);
        rejection.request_id = rejection.request_id.or(request_id);
        return Err(rejection.into());
    }
    Ok(Response {
        status,
        headers: parts.headers,
        body,
        url,
    })
}

async fn timed<T>(url: &str, exchange: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let late = |_| Error::Unreachable {
        url: url.to_owned(),
        cause: format!("no response within {} s", RESPONSE_TIMEOUT.as_secs()),
    };
    tokio::time::timeout(RESPONSE_TIMEOUT, exchange)
        .await
        .map_err(late)?
}

/// The wait before a request that has failed is repeated.
pub(crate) fn wait_after(error: &Error, failures: u32) -> Duration {
    let asked = error.rejection().and_then(|it| it.retry_after);
    let asked = asked.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    asked + Backoff::REQUEST.wait(failures, fastrand::f64())
}

fn location(response: &http::Response<Incoming>) -> Option<String> {
    if !response.status().is_redirection() {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?;
    Some(location.to_str().ok()?.to_owned())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn unreachable(url: &str, error: &(dyn std::error::Error + 'static)) -> Error {
    // The causes say more than the error of hyper.
    let mut cause = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        cause = format!("{cause}: {error}");
        source = error.source();
    }
    Error::Unreachable {
        url: url.to_owned(),
        cause,
    }
}

fn stalled(url: &str, what: &str) -> Error {
    Error::Unreachable {
        url: url.to_owned(),
        cause: format!("no byte was {what} for {} s", STALL_TIMEOUT.as_secs()),
    }
}

fn without_query(url: &str) -> String {
    url.split('?').next().unwrap_or_default().to_owned()
}

fn client(tls: &Arc<ClientConfig>) -> Client<HttpsConnector<HttpConnector>, Body> {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(ClientConfig::clone(tls))
        .https_or_http()
        .enable_http1()
        .build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Trusts the machine's root certificates, or those in the file that `SSL_CERT_FILE` names.
fn tls_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_a_scheme_or_with_a_query_are_refused() {
        for url in [
            "",
            "localhost:4800",
            "ftp://a",
            "http://a?b=c",
            "http://a b",
        ] {
            let error = HttpClient::new(url).expect_err(url);
            assert!(matches!(error, Error::InvalidUrl { .. }), "{url}: {error}");
        }
        let client = HttpClient::new("https://a.example/prod/").expect("an address");
        assert_eq!(client.base(), "https://a.example/prod");
    }

    #[test]
    fn wait_is_at_least_what_the_response_asks_for() {
        let wait = Some(Duration::from_secs(7));
        let error = Error::from(Rejection::read(503, b"", wait));
        assert!(wait_after(&error, 1) >= Duration::from_secs(7));
        let wait = Some(Duration::from_hours(1));
        let error = Error::from(Rejection::read(503, b"", wait));
        assert!(wait_after(&error, 1) <= LONGEST_RETRY_AFTER + Backoff::REQUEST.first);
    }
}
