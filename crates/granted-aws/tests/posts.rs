//! The contract of posts, for the SDK's client and the client for audiences, against a server that follows a script.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use aws_smithy_async::time::SharedTimeSource;
use bytes::Bytes;
use granted_aws::{AudienceApi, Aws, ConnectionsApi, Environment, Post, PostError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use typed_contract::{environment::WebSocketApi, function, functions::Trigger};

function! {
    /// Posts to connections.
    DeliveryFunction = "delivery" {
        memory_mib: 512,
        timeout_seconds: 10,
        retry_budget_seconds: 0,
        triggers: [Trigger::HttpRoutes],
        grants: {
            WebSocketApi: [PostToConnection],
        },
        settings: [],
    }
}

const MESSAGE: Bytes = Bytes::from_static(br#"{"type":"progress_update","progress":50}"#);

/// What the server does with a request.
#[derive(Clone, Copy, Debug)]
enum Reaction {
    /// Responds with a status and a body.
    Respond(u16, &'static str),
    /// Never responds.
    BeSilent,
    /// Closes the connection without a response.
    Close,
}

/// A request as the server got it.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The number of the connection, in the order in which they were opened.
    connection: u64,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(known, _)| known == name);
        header.map(|(_, value)| value.as_str())
    }

    fn authorization(&self, field: &str) -> &str {
        let header = self.header("authorization").expect("a signature");
        let (_, rest) = header.split_once(field).expect(field);
        rest.split([',', ' ']).next().unwrap_or_default()
    }
}

#[derive(Clone, Default)]
struct Script {
    /// The reactions to the next requests; later ones get 200.
    reactions: Arc<Mutex<VecDeque<Reaction>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

struct Server {
    address: String,
    script: Script,
}

impl Server {
    async fn start(reactions: impl IntoIterator<Item = Reaction>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let script = Script::default();
        script
            .reactions
            .lock()
            .expect("no panic while locked")
            .extend(reactions);
        let accepting = script.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(stream, accepting.clone(), connection));
            }
        });
        Self { address, script }
    }

    fn received(&self) -> Vec<Received> {
        self.script
            .received
            .lock()
            .expect("no panic while locked")
            .clone()
    }
}

async fn serve(mut stream: TcpStream, script: Script, connection: u64) {
    while let Some(request) = read_request(&mut stream, connection).await {
        script
            .received
            .lock()
            .expect("no panic while locked")
            .push(request);
        let reaction = script
            .reactions
            .lock()
            .expect("no panic while locked")
            .pop_front();
        match reaction.unwrap_or(Reaction::Respond(200, "")) {
            Reaction::Respond(status, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {length}\r\n\r\n");
                let response = [head.as_bytes(), body.as_bytes()].concat();
                if stream.write_all(&response).await.is_err() {
                    return;
                }
            }
            Reaction::BeSilent => std::future::pending().await,
            Reaction::Close => return,
        }
    }
}

async fn read_request(stream: &mut TcpStream, connection: u64) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a request in ASCII");
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    };
    let mut request = Received {
        path,
        headers: lines.filter_map(header).collect(),
        body: Vec::new(),
        connection,
    };
    let length = request.header("content-length").expect("a length");
    request.body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut request.body).await.ok()?;
    Some(request)
}

/// One of the two clients.
enum Client {
    Sdk(ConnectionsApi<DeliveryFunction>),
    Audience(AudienceApi<DeliveryFunction>),
}

impl Client {
    async fn post(&self, connection_id: &str) -> Result<(), PostError> {
        match self {
            Self::Sdk(client) => client.post(connection_id, MESSAGE).await,
            Self::Audience(client) => client.post(connection_id, MESSAGE).await,
        }
    }
}

/// Both clients of the WebSocket API at an address.
async fn clients(address: &str, credentials: SharedCredentialsProvider) -> [Client; 2] {
    // The connector of the functions.
    let aws = granted_aws::load().await.change(|loaded| {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .endpoint_url(format!("http://{address}"))
            .credentials_provider(credentials)
            .timeout_config(TimeoutConfig::disabled())
            .time_source(loaded.time_source().expect("a clock"))
            .build()
    });
    let api = connections(&aws);
    let audience = api.for_audiences();
    [Client::Sdk(api), Client::Audience(audience)]
}

fn connections(aws: &Aws) -> ConnectionsApi<DeliveryFunction> {
    let environment = Environment::read(|name| {
        let value = match name {
            "WEBSOCKET_STAGE" => "live",
            _ => "a1b2c3",
        };
        Some(value.to_owned())
    });
    ConnectionsApi::new(aws, &environment.expect("all variables"))
}

fn fixed() -> SharedCredentialsProvider {
    let token = Some("token/of+role==".to_owned());
    SharedCredentialsProvider::new(Credentials::new("AKIA1", "secret", token, None, "test"))
}

/// What both clients return for one post that the server reacts to.
async fn outcomes(reaction: Reaction) -> Vec<Result<(), PostError>> {
    let mut outcomes = Vec::new();
    for index in 0..2 {
        let server = Server::start([reaction]).await;
        let clients = clients(&server.address, fixed()).await;
        outcomes.push(clients[index].post("BFHPhf=").await);
        assert_eq!(server.received().len(), 1, "posts are not repeated");
    }
    outcomes
}

#[tokio::test]
async fn statuses_are_the_errors_of_posts() {
    let invalid_id = r#"{"message":"Invalid connectionId: BFHPhf=","connectionId":"BFHPhf="}"#;
    let statuses = [
        (200, "", Ok(())),
        (410, "", Err(PostError::Gone)),
        (400, invalid_id, Err(PostError::Gone)),
        (429, "{}", Err(PostError::Throttled)),
        (413, "", Err(PostError::TooLarge)),
        (403, r#"{"message":"Forbidden"}"#, Err(PostError::Forbidden)),
    ];
    for (status, body, expected) in statuses {
        let outcomes = outcomes(Reaction::Respond(status, body)).await;
        assert_eq!(outcomes, [expected.clone(), expected], "{status} {body}");
    }
}

#[tokio::test]
async fn other_failures_are_transient() {
    let reactions = [
        Reaction::Respond(400, r#"{"message":"Bad Request"}"#),
        Reaction::Respond(404, ""),
        Reaction::Respond(500, ""),
        Reaction::Respond(503, "<html>"),
        Reaction::Close,
    ];
    for reaction in reactions {
        for outcome in outcomes(reaction).await {
            let is_transient = matches!(outcome, Err(PostError::Transient(_)));
            assert!(is_transient, "{reaction:?}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn refused_connection_is_transient() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    drop(listener);
    for client in clients(&address, fixed()).await {
        let outcome = client.post("id").await;
        let is_transient = matches!(outcome, Err(PostError::Transient(_)));
        assert!(is_transient, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn post_without_a_response_times_out_after_3_seconds() {
    for index in 0..2 {
        let server = Server::start([Reaction::BeSilent]).await;
        let clients = clients(&server.address, fixed()).await;
        let start = tokio::time::Instant::now();
        let outcome = clients[index].post("id").await;
        let is_timeout = matches!(outcome, Err(PostError::TimedOut(_)));
        assert!(is_timeout, "{outcome:?}");
        assert_eq!(start.elapsed().as_secs(), 3);
    }
}

#[tokio::test]
async fn both_clients_send_the_same_request() {
    for id in ["BFHPhf=", "a+b/c d%20é", "@~-._"] {
        let server = Server::start([]).await;
        for client in clients(&server.address, fixed()).await {
            assert_eq!(client.post(id).await, Ok(()));
        }
        let received = server.received();
        let [sdk, audience] = received.as_slice() else {
            panic!("{received:?}");
        };
        assert_eq!(sdk.path, audience.path);
        assert_eq!(sdk.body, audience.body);
        for name in [
            "content-type",
            "content-length",
            "host",
            "x-amz-security-token",
        ] {
            assert_eq!(sdk.header(name), audience.header(name), "{name}");
        }
        assert_eq!(
            sdk.connection, audience.connection,
            "they share HTTP connections"
        );
    }
}

#[tokio::test]
async fn signatures_are_those_of_the_signing_library() {
    for id in ["BFHPhf=", "a+b/c d%20é", "@~-._"] {
        let server = Server::start([]).await;
        for client in clients(&server.address, fixed()).await {
            assert_eq!(client.post(id).await, Ok(()));
        }
        for request in server.received() {
            let signature = expected_signature(&request, &server.address);
            assert_eq!(
                request.authorization("Signature="),
                signature,
                "{request:?}"
            );
        }
    }
}

/// The signature that the library computes for a request. It signs the headers that the request names.
fn expected_signature(request: &Received, address: &str) -> String {
    let credentials = Credentials::new(
        "AKIA1",
        "secret",
        request.header("x-amz-security-token").map(str::to_owned),
        None,
        "test",
    )
    .into();
    let date = request.header("x-amz-date").expect("a date");
    let params = SigningParams::builder()
        .identity(&credentials)
        .region("eu-central-1")
        .name("execute-api")
        .time(time_of(date))
        .settings(SigningSettings::default())
        .build()
        .expect("all parameters");
    let signed: Vec<_> = request.authorization("SignedHeaders=").split(';').collect();
    // The library adds these two by itself.
    let added = ["x-amz-date", "x-amz-security-token"];
    let headers = request
        .headers
        .iter()
        .filter(|(name, _)| signed.contains(&name.as_str()) && !added.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let url = format!("http://{address}{}", request.path);
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new("POST", url, headers, body).expect("a request");
    let output = sign(signable, &params.into()).expect("a signature");
    output.signature().to_owned()
}

/// The time of a date such as `20260115T103015Z`.
fn time_of(date: &str) -> SystemTime {
    let part = |range: std::ops::Range<usize>| &date[range];
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4),
        part(4..6),
        part(6..8),
        part(9..11),
        part(11..13),
        part(13..15),
    );
    let format = aws_smithy_types::date_time::Format::DateTime;
    let time = aws_smithy_types::DateTime::from_str(&text, format).expect("a date");
    time.try_into().expect("a time")
}

/// Credentials that are replaced after each load, and expire after some time.
#[derive(Debug)]
struct Rotating {
    valid_for: Duration,
    loads: AtomicU64,
    /// Loads after the first one fail.
    fails_later: bool,
}

impl Rotating {
    fn valid_for(valid_for: Duration) -> Self {
        Self {
            valid_for,
            loads: AtomicU64::new(0),
            fails_later: false,
        }
    }
}

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let load = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
        if self.fails_later && load > 1 {
            let error = CredentialsError::provider_error("the endpoint of credentials is down");
            return future::ProvideCredentials::ready(Err(error));
        }
        let now = SharedTimeSource::default().now();
        let expiry = Some(now + self.valid_for);
        let id = format!("AKIA{load}");
        let credentials = Credentials::new(id, "secret", None, expiry, "test");
        future::ProvideCredentials::ready(Ok(credentials))
    }
}

/// The access keys of three posts with the client for audiences.
async fn access_keys(credentials: Rotating) -> Vec<String> {
    let server = Server::start([]).await;
    let provider = SharedCredentialsProvider::new(credentials);
    let [_, client] = clients(&server.address, provider).await;
    for _ in 0..3 {
        assert_eq!(client.post("id").await, Ok(()));
    }
    let received = server.received();
    let key = |request: &Received| {
        let scope = request.authorization("Credential=").split('/').next();
        scope.unwrap_or_default().to_owned()
    };
    received.iter().map(key).collect()
}

#[tokio::test]
async fn credentials_are_renewed_within_an_audience_before_they_expire() {
    let hour = Duration::from_hours(1);
    assert_eq!(access_keys(Rotating::valid_for(hour)).await, ["AKIA1"; 3]);
    let nearly_expired = Duration::from_mins(4);
    let renewed = access_keys(Rotating::valid_for(nearly_expired)).await;
    assert_eq!(renewed, ["AKIA1", "AKIA2", "AKIA3"]);
}

#[tokio::test]
async fn credentials_that_cannot_be_renewed_are_used_until_they_expire() {
    let mut credentials = Rotating::valid_for(Duration::from_mins(4));
    credentials.fails_later = true;
    assert_eq!(access_keys(credentials).await, ["AKIA1"; 3]);
}

#[tokio::test]
async fn post_without_credentials_says_why_it_failed() {
    let server = Server::start([]).await;
    let mut expired = Rotating::valid_for(Duration::ZERO);
    expired.fails_later = true;
    let provider = SharedCredentialsProvider::new(expired);
    let [_, client] = clients(&server.address, provider).await;
    // The first load succeeds, with credentials that are used once.
    let _ = client.post("id").await;
    let error = client.post("id").await.expect_err("there are none");
    let text = error.to_string();
    assert!(
        text.contains("the endpoint of credentials is down"),
        "{text}"
    );
    assert_eq!(server.received().len(), 1);
}
