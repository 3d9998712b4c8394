//! The client against servers on this machine, which answer, lie, hang and redirect.

use std::{
    future::Future,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use outbound_https::{Addresses, HttpsClient, Limits, OutboundError, Resolve};
use rcgen::generate_simple_self_signed;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    total: Duration::from_secs(5),
    body_bytes: 16,
};

/// How a server goes on after its response.
#[derive(Clone, Copy)]
enum Then {
    Close,
    /// Keeps the connection open and sends nothing.
    Hang,
    /// Sends zeros until the client closes the connection.
    Flood,
}

/// A server that reads the head of each request and sends a fixed response.
struct Server {
    port: u16,
    requests: Arc<AtomicU32>,
    roots: RootCertStore,
}

impl Server {
    async fn http(response: &'static str, then: Then) -> Self {
        Self::start(response, then, None).await
    }

    /// A server with a certificate for `name`.
    async fn https(name: &str, response: &'static str) -> Self {
        Self::start(response, Then::Close, Some(name)).await
    }

    async fn start(response: &'static str, then: Then, tls: Option<&str>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(AtomicU32::new(0));
        let (acceptor, roots) = tls.map(certificate).unzip();
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    // A client that refuses the certificate, or has read enough, ends the connection.
                    let _ = match acceptor {
                        None => answer(stream, response, then, &counted).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => answer(stream, response, then, &counted).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self {
            port,
            requests,
            roots: roots.unwrap_or_else(RootCertStore::empty),
        }
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/hook", self.port)
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::SeqCst)
    }
}

fn certificate(name: &str) -> (TlsAcceptor, RootCertStore) {
    let made = generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], PrivateKeyDer::from(key))
        .expect("a certificate with its key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root certificate");
    (TlsAcceptor::from(Arc::new(config)), roots)
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    response: &str,
    then: Then,
    requests: &AtomicU32,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    requests.fetch_add(1, Ordering::SeqCst);
    stream.write_all(response.as_bytes()).await?;
    match then {
        Then::Close => stream.shutdown().await,
        Then::Hang => std::future::pending().await,
        Then::Flood => loop {
            stream.write_all(&[b'0'; 4096]).await?;
        },
    }
}

/// Resolves every host to fixed addresses, and counts how often it is asked.
#[derive(Default)]
struct Fixed {
    addresses: Vec<IpAddr>,
    asked: AtomicU32,
}

impl Fixed {
    fn to(addresses: &[&str]) -> Arc<Self> {
        let addresses = addresses
            .iter()
            .map(|text| text.parse().expect("an address"));
        Arc::new(Self {
            addresses: addresses.collect(),
            asked: AtomicU32::new(0),
        })
    }
}

impl Resolve for Fixed {
    fn resolve(&self, _: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let addresses = self.addresses.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

fn client(server: &Server, resolver: Arc<Fixed>) -> HttpsClient {
    let roots = server.roots.clone();
    HttpsClient::with(Addresses::PublicOrLoopback, LIMITS, roots, resolver)
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).expect("a request")
}

#[tokio::test]
async fn https_response_has_status_headers_and_body() {
    let response = "HTTP/1.1 202 Accepted\r\nx-test: 1\r\ncontent-length: 5\r\n\r\nhello";
    let server = Server::https("hooks.test", response).await;
    let resolver = Fixed::to(&["127.0.0.1"]);
    let client = client(&server, Arc::clone(&resolver));
    let response = client.send(get(&server.url("https", "hooks.test"))).await;
    let response = response.expect("a response");
    assert_eq!(response.status, StatusCode::ACCEPTED);
    assert_eq!(response.headers["x-test"], "1");
    assert_eq!(response.body, "hello");
    assert!(!response.is_truncated);
    // The connection goes to the address that was checked.
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn certificate_of_another_host_is_refused() {
    let server = Server::https("other.test", "HTTP/1.1 200 OK\r\n\r\n").await;
    let client = client(&server, Fixed::to(&["127.0.0.1"]));
    let error = client.send(get(&server.url("https", "hooks.test"))).await;
    let error = error.expect_err("refused");
    assert!(
        matches!(&error, OutboundError::Connect { host, cause }
            if host == "hooks.test" && cause.contains("certificate")),
        "{error:?}"
    );
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn host_with_a_private_address_is_refused_before_a_connection() {
    let server = Server::http("HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    for addresses in [
        &["10.0.0.7"][..],
        &["1.1.1.1", "169.254.169.254"],
        &["fd00:ec2::254"],
        &["::ffff:192.168.0.1"],
    ] {
        let client = client(&server, Fixed::to(addresses));
        let error = client.send(get("https://rebinding.test/")).await;
        let expected = OutboundError::ForbiddenAddress {
            host: "rebinding.test".to_owned(),
            address: addresses.last().expect("one").parse().expect("an address"),
        };
        assert_eq!(error.expect_err("refused"), expected);
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn loopback_is_refused_to_a_client_of_public_addresses() {
    let server = Server::https("hooks.test", "HTTP/1.1 200 OK\r\n\r\n").await;
    let resolver = Fixed::to(&["127.0.0.1"]);
    let client = HttpsClient::with(Addresses::Public, LIMITS, server.roots.clone(), resolver);
    let error = client.send(get(&server.url("https", "hooks.test"))).await;
    let error = error.expect_err("refused");
    assert!(
        matches!(error, OutboundError::ForbiddenAddress { .. }),
        "{error:?}"
    );
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn redirect_is_returned_and_not_followed() {
    let response = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let server = Server::http(response, Then::Close).await;
    let client = client(&server, Fixed::to(&["127.0.0.1"]));
    let response = client.send(get(&server.url("http", "localhost"))).await;
    assert_eq!(
        response.expect("a response").status,
        StatusCode::TEMPORARY_REDIRECT
    );
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn endless_body_is_cut() {
    let server = Server::http("HTTP/1.1 200 OK\r\n\r\n", Then::Flood).await;
    let client = client(&server, Fixed::to(&["127.0.0.1"]));
    let response = client.send(get(&server.url("http", "localhost"))).await;
    let response = response.expect("a response");
    assert!(response.is_truncated);
    assert_eq!(response.body.len(), LIMITS.body_bytes);
}

#[tokio::test]
async fn body_of_exactly_the_limit_is_whole() {
    let response = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef";
    let server = Server::http(response, Then::Close).await;
    let client = client(&server, Fixed::to(&["127.0.0.1"]));
    let response = client.send(get(&server.url("http", "localhost"))).await;
    let response = response.expect("a response");
    assert!(!response.is_truncated);
    assert_eq!(response.body, "0123456789abcdef");
}

#[tokio::test]
async fn server_that_hangs_times_out() {
    for response in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel"] {
        let server = Server::http(response, Then::Hang).await;
        let limits = Limits {
            total: Duration::from_millis(50),
            ..LIMITS
        };
        let resolver = Fixed::to(&["127.0.0.1"]);
        let roots = RootCertStore::empty();
        let client = HttpsClient::with(Addresses::PublicOrLoopback, limits, roots, resolver);
        let error = client.send(get(&server.url("http", "localhost"))).await;
        let expected = OutboundError::TimedOut {
            host: "localhost".to_owned(),
            limit: limits.total,
        };
        assert_eq!(error.expect_err("timed out"), expected);
    }
}

#[tokio::test]
async fn what_is_no_http_is_a_broken_response() {
    for response in [
        "220 smtp.test ESMTP\r\n",
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel",
    ] {
        let server = Server::http(response, Then::Close).await;
        let client = client(&server, Fixed::to(&["127.0.0.1"]));
        let error = client.send(get(&server.url("http", "localhost"))).await;
        let error = error.expect_err("broken");
        assert!(
            matches!(error, OutboundError::BrokenResponse { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn port_without_a_listener_cannot_be_connected_to() {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    drop(listener);
    let server = Server::http("", Then::Close).await;
    let client = client(&server, Fixed::to(&["127.0.0.1"]));
    let error = client.send(get(&format!("http://{address}/"))).await;
    let error = error.expect_err("refused");
    assert!(matches!(error, OutboundError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn host_without_addresses_is_unresolved() {
    let server = Server::http("", Then::Close).await;
    let client = client(&server, Fixed::to(&[]));
    let error = client.send(get("https://nowhere.test/")).await;
    assert_eq!(
        error.expect_err("unresolved").to_string(),
        "nowhere.test cannot be resolved: it has no addresses"
    );
}
