//! A stack that runs the function `examples/echo.rs`, and clients for it.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use local::{LocalStack, Options};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, protocol::CloseFrame},
};

/// Nothing here takes this long unless it never comes, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) fn template() -> Value {
    serde_json::from_str(include_str!("template.json")).expect("the template is JSON")
}

/// The folder that `cargo test` builds `examples/echo.rs` into.
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

/// An answer that was read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }
}

/// Sends a request to an address.
pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = patiently(client.request(request)).await.expect("an answer");
    let (head, body) = response.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.expect("a body").to_bytes(),
    }
}

/// Sends a request whose connection breaks before the answer.
pub(crate) async fn broken(method: Method, url: &str, body: impl Into<Bytes>) {
    let request = Request::builder().method(method).uri(url);
    let request = request.body(Full::new(body.into())).expect("a request");
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = patiently(client.request(request)).await;
    assert!(answer.is_err(), "there is an answer: {answer:?}");
}

pub(crate) async fn get(url: &str) -> Answer {
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

    /// The status of a handshake that is refused.
    pub(crate) async fn refused(url: &str) -> (StatusCode, Value) {
        match connect_async(url).await {
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                (
                    response.status(),
                    serde_json::from_slice(&body).unwrap_or_default(),
                )
            }
            other => panic!("the handshake is not refused: {other:?}"),
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

    /// [`Self::receive`], after the answer to a ping.
    pub(crate) async fn receive_after_pong(&mut self) -> Value {
        match patiently(self.0.next()).await {
            Some(Ok(Message::Pong(_))) => self.receive().await,
            other => panic!("not a pong: {other:?}"),
        }
    }

    pub(crate) async fn receive_text(&mut self) -> String {
        match patiently(self.0.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("not a message: {other:?}"),
        }
    }

    /// The frame that closes the connection.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match patiently(self.0.next()).await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("the connection ends without a close frame: {other:?}"),
            }
        }
    }

    pub(crate) async fn close(&mut self, frame: Option<CloseFrame>) {
        self.0.close(frame).await.expect("closed");
        while let Some(Ok(_)) = patiently(self.0.next()).await {}
    }

    /// The connection of the TCP layer, to do what no WebSocket client does.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        match self.0.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => panic!("the connection is not encrypted"),
        }
    }

    /// The id of the connection, from the event that the function echoes.
    pub(crate) async fn id(&mut self) -> String {
        self.send(r#"{"type":"echo"}"#).await;
        let event = self.receive().await;
        event["requestContext"]["connectionId"]
            .as_str()
            .expect("an id")
            .to_owned()
    }
}

/// Fails the test instead of letting it hang.
pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it comes in time")
}

/// Waits until `find` finds something.
pub(crate) async fn eventually<T>(mut find: impl FnMut() -> Option<T>) -> T {
    patiently(async {
        loop {
            if let Some(found) = find() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Waits for a line of the functions' logs that begins with `word`, and reads the rest as JSON.
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

/// The address of a connection under `@connections`.
pub(crate) fn connection_url(stack: &LocalStack, id: &str) -> String {
    let endpoint = &stack.urls().endpoint_url;
    format!(
        "{endpoint}/_aws/execute-api/websocketapi/live/@connections/{}",
        encoded(id)
    )
}
