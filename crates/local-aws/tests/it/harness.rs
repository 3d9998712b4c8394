//! Starts stacks with the function `tests/functions/echo.rs`, and clients for them.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local_aws::{LocalStack, Options};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, protocol::CloseFrame},
};

/// Time limit of a wait. Generous, so that it is reached only if the event never comes, even on a busy
/// machine.
const TIMEOUT: Duration = Duration::from_mins(3);

pub(crate) fn template() -> Value {
    serde_json::from_str(include_str!("template.json")).expect("the template is JSON")
}

/// The folder that `cargo test` builds the function `echo` into.
pub(crate) fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let folder = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/debug/deps");
    folder.join("examples")
}

pub(crate) fn options() -> Options {
    Options::new(template(), binaries())
}

pub(crate) async fn start() -> LocalStack {
    start_with(options()).await
}

pub(crate) async fn start_with(options: Options) -> LocalStack {
    LocalStack::start(options).await.expect("the stack starts")
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }
}

/// Sends a request and reads the response.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Response {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = within_timeout(client.request(request))
        .await
        .expect("an answer");
    let (head, body) = response.into_parts();
    Response {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.expect("a body").to_bytes(),
    }
}

/// Sends a request and asserts that the connection breaks before the response.
pub(crate) async fn expect_lost_response(method: Method, url: &str, body: impl Into<Bytes>) {
    let request = Request::builder().method(method).uri(url);
    let request = request.body(Full::new(body.into())).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = within_timeout(client.request(request)).await;
    assert!(response.is_err(), "there is a response: {response:?}");
}

pub(crate) async fn get(url: &str) -> Response {
    send(Method::GET, url, &[], "").await
}

/// A WebSocket client.
#[derive(Debug)]
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(url: &str) -> Self {
        let (socket, _) = connect_async(url).await.expect("a connection");
        Self(socket)
    }

    /// The status and body of a rejected handshake.
    pub(crate) async fn rejected(url: &str) -> (StatusCode, Value) {
        match connect_async(url).await {
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                (
                    response.status(),
                    serde_json::from_slice(&body).unwrap_or_default(),
                )
            }
            other => panic!("the handshake is not rejected: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, message: impl Into<Message>) {
        self.0.send(message.into()).await.expect("sent");
    }

    /// The next message, read as JSON.
    pub(crate) async fn receive(&mut self) -> Value {
        let text = self.receive_text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// [`Self::receive`], after a pong.
    pub(crate) async fn receive_after_pong(&mut self) -> Value {
        match within_timeout(self.0.next()).await {
            Some(Ok(Message::Pong(_))) => self.receive().await,
            other => panic!("not a pong: {other:?}"),
        }
    }

    pub(crate) async fn receive_text(&mut self) -> String {
        match within_timeout(self.0.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// Waits for the close frame.
    pub(crate) async fn close_frame(&mut self) -> Option<CloseFrame> {
        loop {
            match within_timeout(self.0.next()).await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("the connection ends without a close frame: {other:?}"),
            }
        }
    }

    pub(crate) async fn close(&mut self, frame: Option<CloseFrame>) {
        self.0.close(frame).await.expect("closed");
        while let Some(Ok(_)) = within_timeout(self.0.next()).await {}
    }

    /// The TCP connection, for sending invalid frames.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        match self.0.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => panic!("the connection is not encrypted"),
        }
    }

    /// The connection id, from the event that the function echoes.
    pub(crate) async fn id(&mut self) -> String {
        self.send(r#"{"type":"echo"}"#).await;
        let event = self.receive().await;
        event["requestContext"]["connectionId"]
            .as_str()
            .expect("an id")
            .to_owned()
    }
}

/// Fails the test after [`TIMEOUT`] instead of letting it hang.
pub(crate) async fn within_timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .expect("the event comes within the timeout")
}

/// Polls until `find` returns a value.
pub(crate) async fn eventually<T>(mut find: impl FnMut() -> Option<T>) -> T {
    within_timeout(async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Waits for a log line that begins with `word`, and parses the rest as JSON.
pub(crate) async fn logged(stack: &LocalStack, word: &str) -> Value {
    eventually(|| {
        stack.logs().iter().find_map(|line| {
            let rest = line.text.strip_prefix(word)?;
            serde_json::from_str(rest).ok()
        })
    })
    .await
}

/// Percent-encodes a connection id.
pub(crate) fn encoded(id: &str) -> String {
    id.replace('=', "%3D")
}

/// The URL of a connection under `@connections`.
pub(crate) fn connection_url(stack: &LocalStack, id: &str) -> String {
    let endpoint = &stack.urls().endpoint_url;
    format!(
        "{endpoint}/_aws/execute-api/websocketapi/live/@connections/{}",
        encoded(id)
    )
}
