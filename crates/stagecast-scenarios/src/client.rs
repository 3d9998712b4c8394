//! A WebSocket client.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Error, Message, protocol::CloseFrame},
};

use crate::{timeout, tls};

/// The types of terminal messages.
pub(crate) const ENDS: [&str; 3] = ["job_complete", "job_failed", "job_cancelled"];
/// The types of durable messages.
const DURABLE: [&str; 4] = ["stage_complete", ENDS[0], ENDS[1], ENDS[2]];

/// A connection to the WebSocket API.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Durable messages that came before an awaited reply.
    early: VecDeque<Value>,
}

/// Why there is no further message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The server closed the connection with this code.
    Code(u16),
    /// The connection broke.
    Broken,
}

impl Client {
    /// Connects. The error is the status of a rejected handshake.
    pub async fn connect(url: &str) -> Result<Self, u16> {
        let connector = Connector::Rustls(tls::config());
        match connect_async_tls_with_config(url, None, false, Some(connector)).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                early: VecDeque::new(),
            }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{url}: {error}"),
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: &Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends a frame unchanged.
    pub async fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("the frame is sent");
    }

    /// The next message.
    pub async fn next(&mut self) -> Result<Value, Closed> {
        match self.early.pop_front() {
            Some(message) => Ok(message),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<Value, Closed> {
        let text = self.next_text().await?;
        Ok(serde_json::from_str(&text).expect("messages are JSON"))
    }

    /// The text of the next message. Skips the messages that [`Self::ask`] has kept for [`Self::next`].
    pub async fn next_text(&mut self) -> Result<String, Closed> {
        loop {
            let limit = timeout::timeout();
            let frame = tokio::time::timeout(limit, self.socket.next())
                .await
                .unwrap_or_else(|_| panic!("no message came within {limit:?}"));
            match frame {
                Some(Ok(Message::Text(text))) => {
                    return Ok(text.as_str().to_owned());
                }
                Some(Ok(Message::Close(Some(CloseFrame { code, .. })))) => {
                    return Err(Closed::Code(code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Closed::Broken),
            }
        }
    }

    /// The next message that is not a `progress_update`. It must have this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await.expect("a message");
            if message["type"] == kind {
                return message;
            }
            assert_eq!(
                message["type"], "progress_update",
                "waiting for {kind}: {message}"
            );
        }
    }

    /// Sends a message and waits for the reply of this type. Keeps the durable messages that come before
    /// for [`Self::next`], and drops progress.
    pub async fn ask(&mut self, message: &Value, reply: &str) -> Value {
        self.ask_for_one_of(message, &[reply]).await
    }

    /// [`Self::ask`], for a message with several possible replies.
    pub async fn ask_for_one_of(&mut self, message: &Value, replies: &[&str]) -> Value {
        self.send(message).await;
        loop {
            let message = self.receive().await.expect("a message");
            if replies.iter().any(|reply| message["type"] == *reply) {
                return message;
            }
            if DURABLE.iter().any(|kind| message["type"] == *kind) {
                self.early.push_back(message);
            } else {
                assert_eq!(
                    message["type"], "progress_update",
                    "waiting for {replies:?}: {message}"
                );
            }
        }
    }

    /// All messages up to and including the job's terminal message.
    pub async fn until_job_ends(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await.expect("a message");
            let kind = message["type"].as_str().unwrap_or_default().to_owned();
            messages.push(message);
            if ENDS.contains(&kind.as_str()) {
                return messages;
            }
        }
    }

    /// Closes the connection as a browser does.
    pub async fn close(mut self) {
        self.socket.close(None).await.ok();
        while let Some(Ok(_)) = self.socket.next().await {}
    }

    /// Breaks the connection without a close frame.
    pub fn drop_connection(self) {
        drop(self);
    }
}
