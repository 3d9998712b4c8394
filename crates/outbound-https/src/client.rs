use std::{io, net::IpAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::{Instant, timeout_at};

use crate::{
    Addresses, OutboundError, Resolve, SystemResolver,
    error::{find_source, root_cause},
    resolver::CheckedResolver,
};

/// The bounds of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time to connect to one address, without TLS.
    pub connect: Duration,
    /// Time in all, from resolving the host to the end of the body.
    pub total: Duration,
    /// Bytes of the response's body that are read.
    pub body_bytes: usize,
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status. Redirects are not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`Limits::body_bytes`] of it.
    pub body: Bytes,
    /// Whether the body is longer than [`Limits::body_bytes`]. The rest was not read.
    pub is_truncated: bool,
}

/// Sends HTTPS requests to addresses that others choose. Clones share their settings.
#[derive(Clone, Debug)]
pub struct HttpsClient {
    addresses: Addresses,
    limits: Limits,
    client: Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>,
}

impl HttpsClient {
    /// A client that trusts the root certificates of the machine. Reading them takes milliseconds: make the client
    /// when it is first needed, and keep it.
    ///
    /// # Errors
    /// The machine has no root certificates.
    pub fn new(addresses: Addresses, limits: Limits) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let cause = found.errors.first().map(ToString::to_string);
            let cause = cause.unwrap_or_else(|| "none are installed".to_owned());
            return Err(io::Error::other(format!(
                "no root certificates: {cause}; install the package ca-certificates, or set SSL_CERT_FILE"
            )));
        }
        Ok(Self::with(
            addresses,
            limits,
            roots,
            Arc::new(SystemResolver),
        ))
    }

    /// A client with its own root certificates and resolver.
    pub fn with(
        addresses: Addresses,
        limits: Limits,
        roots: RootCertStore,
        resolver: Arc<dyn Resolve>,
    ) -> Self {
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new_with_resolver(CheckedResolver {
            inner: resolver,
            addresses,
        });
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(limits.connect));
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let builder = match addresses {
            Addresses::Public => builder.https_only(),
            Addresses::PublicOrLoopback => builder.https_or_http(),
        };
        let client = Client::builder(TokioExecutor::new())
            // A function is frozen between two requests, and its connections are closed meanwhile.
            .pool_max_idle_per_host(0)
            .build(builder.enable_http1().wrap_connector(connector));
        Self {
            addresses,
            limits,
            client,
        }
    }

    /// Sends a request and reads its response.
    ///
    /// Dropping the future ends the request. An error does not say whether the server has received the request, unless it
    /// is of the URL or the address.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response, OutboundError> {
        let host = checked_host(request.uri(), self.addresses)?;
        let deadline = Instant::now() + self.limits.total;
        let exchange = self.exchange(&host, request);
        match timeout_at(deadline, exchange).await {
            Ok(result) => result,
            Err(_) => Err(OutboundError::TimedOut {
                host,
                limit: self.limits.total,
            }),
        }
    }

    async fn exchange(
        &self,
        host: &str,
        request: Request<Bytes>,
    ) -> Result<Response, OutboundError> {
        let request = request.map(Full::new);
        let response = self.client.request(request).await.map_err(|error| {
            if let Some(error) = find_source::<OutboundError>(&error) {
                return error.clone();
            }
            let (host, cause) = (host.to_owned(), root_cause(&error));
            if error.is_connect() {
                OutboundError::Connect { host, cause }
            } else {
                OutboundError::BrokenResponse { host, cause }
            }
        })?;
        let (head, body) = response.into_parts();
        let (body, is_truncated) = self.read(host, body).await?;
        Ok(Response {
            status: head.status,
            headers: head.headers,
            body,
            is_truncated,
        })
    }

    async fn read(&self, host: &str, mut body: Incoming) -> Result<(Bytes, bool), OutboundError> {
        let limit = self.limits.body_bytes;
        let mut read = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| OutboundError::BrokenResponse {
                host: host.to_owned(),
                cause: root_cause(&error),
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let rest = limit - read.len();
            read.extend_from_slice(&data[..data.len().min(rest)]);
            if data.len() > rest {
                return Ok((read.freeze(), true));
            }
        }
        Ok((read.freeze(), false))
    }
}

/// The host of a URL that the client may use. Its address is checked here if it is literal, and by the resolver
/// otherwise.
fn checked_host(url: &Uri, addresses: Addresses) -> Result<String, OutboundError> {
    let invalid = |problem: String| Err(OutboundError::InvalidUrl { problem });
    let Some(authority) = url.authority() else {
        return invalid("has no host; use https://HOST/PATH".to_owned());
    };
    if authority.as_str().contains('@') {
        return invalid("has user information before the host; remove it".to_owned());
    }
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if bare.is_empty() {
        return invalid("has no host; use https://HOST/PATH".to_owned());
    }
    let literal: Option<IpAddr> = bare.parse().ok();
    if let Some(address) = literal
        && !addresses.allow(address)
    {
        return Err(OutboundError::ForbiddenAddress {
            host: bare.to_owned(),
            address,
        });
    }
    if literal.is_none() && is_number(bare) {
        return invalid(format!(
            "has the host {bare}, which is a number; use the name of a host"
        ));
    }
    let is_local = bare.eq_ignore_ascii_case("localhost")
        || literal.is_some_and(|address| address.to_canonical().is_loopback());
    match url.scheme_str() {
        Some("https") => Ok(bare.to_owned()),
        Some("http") if is_local && addresses == Addresses::PublicOrLoopback => Ok(bare.to_owned()),
        scheme => invalid(format!(
            "has the scheme {}; use https",
            scheme.unwrap_or_default()
        )),
    }
}

/// Whether resolvers may read a host as an IPv4 address although it is not written as one, such as `127.1`,
/// `0x7f000001` or `2130706433`. The rule is that of the [URL standard](https://url.spec.whatwg.org/#ends-in-a-number-checker):
/// the last label is a number.
fn is_number(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.chars().all(|digit| digit.is_ascii_hexdigit()),
        None => !last.is_empty() && last.chars().all(|digit| digit.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, addresses: Addresses) -> Result<String, OutboundError> {
        checked_host(&url.parse().expect(url), addresses)
    }

    #[test]
    fn urls_of_public_hosts_are_allowed() {
        for (url, host) in [
            ("https://example.com/hook?a=b", "example.com"),
            ("https://example.com:8443", "example.com"),
            ("https://1.1.1.1/", "1.1.1.1"),
            ("https://[2606:4700::1111]/", "2606:4700::1111"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
            ("https://a1.b2/", "a1.b2"),
        ] {
            assert_eq!(check(url, Addresses::Public), Ok(host.to_owned()), "{url}");
        }
    }

    #[test]
    fn urls_of_another_form_are_refused() {
        for (url, problem) in [
            ("http://example.com/", "has the scheme http; use https"),
            ("ftp://example.com/", "has the scheme ftp; use https"),
            ("http://localhost/", "has the scheme http; use https"),
            ("/hook", "has no host; use https://HOST/PATH"),
            (
                "https://user:password@example.com/",
                "has user information before the host; remove it",
            ),
            (
                "https://example.com@127.0.0.1/",
                "has user information before the host; remove it",
            ),
        ] {
            let problem = problem.to_owned();
            let expected = Err(OutboundError::InvalidUrl { problem });
            assert_eq!(check(url, Addresses::Public), expected, "{url}");
        }
    }

    #[test]
    fn hosts_that_are_numbers_are_refused() {
        for host in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "127.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "169.254.43518",
            "0x",
        ] {
            for addresses in [Addresses::Public, Addresses::PublicOrLoopback] {
                let result = check(&format!("https://{host}/"), addresses);
                assert!(
                    matches!(&result, Err(OutboundError::InvalidUrl { problem }) if problem.contains("number")),
                    "{host}: {result:?}"
                );
            }
        }
    }

    #[test]
    fn literal_addresses_are_checked() {
        for url in [
            "https://127.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00:ec2::254]/",
        ] {
            let result = check(url, Addresses::Public);
            assert!(
                matches!(result, Err(OutboundError::ForbiddenAddress { .. })),
                "{url}: {result:?}"
            );
        }
    }

    #[test]
    fn plain_http_is_for_loopback_on_request() {
        for url in [
            "http://localhost:8080/",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080/",
        ] {
            assert!(check(url, Addresses::PublicOrLoopback).is_ok(), "{url}");
            assert!(check(url, Addresses::Public).is_err(), "{url}");
        }
        assert!(check("http://example.com/", Addresses::PublicOrLoopback).is_err());
    }
}
