//! One connection: what it is known by, what waits for it, and how it ends.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use http::{Request, header};
use hyper_tungstenite::{
    HyperWebsocketStream,
    tungstenite::{
        Error, Message,
        error::{CapacityError, ProtocolError},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::api::WebSocketApi;
use crate::{clock::Moment, http_util::header_text, ids};

/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) connected_at: Moment,
    pub(super) domain: String,
    pub(super) source_ip: String,
    pub(super) user_agent: String,
    outbound: mpsc::UnboundedSender<Outbound>,
    /// The writer's end, until it takes it.
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Outbound>>>,
    queued_bytes: AtomicUsize,
    active: Mutex<(Moment, Instant)>,
    delete: Notify,
    /// What an authorizer has said of the client.
    authorizer: OnceLock<Map<String, Value>>,
}

/// The client's buffer is full.
#[derive(Debug)]
pub(super) struct BufferFull;

/// How a connection ended, as `$disconnect` is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) status: u16,
    pub(super) reason: std::borrow::Cow<'static, str>,
}

impl Closing {
    const fn new(status: u16, reason: &'static str) -> Self {
        Self {
            status,
            reason: std::borrow::Cow::Borrowed(reason),
        }
    }

    /// The client vanished.
    pub(super) const ABNORMAL: Self = Self::new(1006, "Connection closed abnormally");
    const NO_STATUS: Self = Self::new(1005, "Client-side close frame status not set");
    const DELETED: Self = Self::new(1000, "Connection Closed Normally");
    const GOING_AWAY: Self = Self::new(1001, "Going away");
    const PROTOCOL: Self = Self::new(1002, "Protocol error");
    const INVALID_TEXT: Self = Self::new(1007, "Invalid frame payload data");
    const BINARY: Self = Self::new(1003, "Unsupported data");
    const TOO_LARGE: Self = Self::new(1009, "Message too big");
}

impl Connection {
    pub(super) fn new<B>(request: &Request<B>, peer: SocketAddr) -> Self {
        let (outbound, waiting) = mpsc::unbounded_channel();
        Self {
            id: ids::connection_id(),
            connected_at: Moment::now(),
            domain: header_text(request.headers(), header::HOST).to_owned(),
            source_ip: peer.ip().to_string(),
            user_agent: header_text(request.headers(), header::USER_AGENT).to_owned(),
            outbound,
            waiting: Mutex::new(Some(waiting)),
            queued_bytes: AtomicUsize::new(0),
            active: Mutex::new((Moment::now(), Instant::now())),
            delete: Notify::new(),
            authorizer: OnceLock::new(),
        }
    }

    /// Notes what an authorizer has said of the client, once.
    pub(super) fn set_authorizer(&self, context: Map<String, Value>) {
        let _ = self.authorizer.set(context);
    }

    pub(super) fn authorizer(&self) -> Option<&Map<String, Value>> {
        self.authorizer.get()
    }

    /// Queues a message for the client.
    pub(super) fn send(&self, text: String, buffer_bytes: usize) -> Result<(), BufferFull> {
        let bytes = text.len();
        let fits = |queued: usize| (queued + bytes <= buffer_bytes).then_some(queued + bytes);
        self.queued_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .map_err(|_| BufferFull)?;
        self.touch();
        // Fails only while the connection ends; API Gateway has taken such messages, too.
        let _ = self.outbound.send(Outbound::Text(text));
        Ok(())
    }

    /// Sends what API Gateway itself has to say about a message.
    pub(super) fn notify(&self, message: &str, request_id: &str) {
        let body = json!({
            "message": message,
            "connectionId": self.id,
            "requestId": request_id,
        });
        // A client that does not read its messages misses this one, too.
        let _ = self.send(body.to_string(), usize::MAX / 2);
    }

    /// Closes the connection.
    pub(super) fn delete(&self) {
        self.delete.notify_one();
    }

    /// Queues the frame that closes the connection, after everything that waits.
    fn close(&self, closing: &Closing) {
        let frame = CloseFrame {
            code: CloseCode::from(closing.status),
            reason: closing.reason.as_ref().into(),
        };
        // Fails only if nobody writes any more.
        let _ = self.outbound.send(Outbound::Close(frame));
    }

    pub(super) fn last_active(&self) -> Moment {
        self.active().0
    }

    fn touch(&self) {
        *self.active() = (Moment::now(), Instant::now());
    }

    fn active(&self) -> std::sync::MutexGuard<'_, (Moment, Instant)> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_waiting(&self) -> Option<mpsc::UnboundedReceiver<Outbound>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take()
    }
}

/// What is on its way to a client.
#[derive(Debug)]
enum Outbound {
    Text(String),
    Close(CloseFrame),
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    api: &Arc<WebSocketApi>,
    connection: &Arc<Connection>,
    socket: HyperWebsocketStream,
) -> Closing {
    let Some(waiting) = connection.take_waiting() else {
        return Closing::ABNORMAL;
    };
    let (mut sink, mut source) = socket.split();
    let write = write(connection, waiting, &mut sink);
    tokio::pin!(write);
    let closing = tokio::select! {
        () = &mut write => return Closing::ABNORMAL,
        closing = receive(api, connection, &mut source) => match closing {
            Received::Closed(closing) => return closing,
            Received::Refused(closing) => closing,
        },
        () = connection.delete.notified() => Closing::DELETED,
        () = idle(api.limits.idle, connection) => Closing::GOING_AWAY,
        () = tokio::time::sleep(api.limits.lifetime) => Closing::GOING_AWAY,
        () = api.shut_down() => Closing::GOING_AWAY,
    };
    api.forget(connection);
    connection.close(&closing);
    let close = async {
        write.await;
        while let Some(Ok(_)) = source.next().await {}
    };
    // A client that does not answer is left all the same.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
    closing
}

/// Sends what is queued, up to and including a close frame.
async fn write(
    connection: &Connection,
    mut waiting: mpsc::UnboundedReceiver<Outbound>,
    sink: &mut (impl Sink<Message, Error = Error> + Unpin),
) {
    while let Some(outbound) = waiting.recv().await {
        let sent = match outbound {
            Outbound::Text(text) => {
                let bytes = text.len();
                let sent = sink.send(Message::text(text)).await;
                connection.queued_bytes.fetch_sub(bytes, Ordering::AcqRel);
                sent
            }
            Outbound::Close(frame) => sink.send(Message::Close(Some(frame))).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

enum Received {
    /// The client has closed the connection.
    Closed(Closing),
    /// The client sent what the API does not take.
    Refused(Closing),
}

async fn receive(
    api: &Arc<WebSocketApi>,
    connection: &Arc<Connection>,
    source: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
) -> Received {
    loop {
        match source.next().await {
            Some(Ok(Message::Text(text))) => {
                connection.touch();
                let message = Arc::clone(api).message(Arc::clone(connection), text.to_string());
                tokio::spawn(message);
            }
            Some(Ok(Message::Binary(_))) => return Received::Refused(Closing::BINARY),
            Some(Ok(Message::Close(frame))) => {
                let closing = frame.map_or(Closing::NO_STATUS, |frame| Closing {
                    status: frame.code.into(),
                    reason: frame.reason.to_string().into(),
                });
                api.forget(connection);
                // The close frame's echo goes out with the next read.
                while let Some(Ok(_)) = source.next().await {}
                return Received::Closed(closing);
            }
            // Pings are answered by the protocol's implementation.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return broken(&error),
            None => return Received::Closed(Closing::ABNORMAL),
        }
    }
}

/// How a connection ends whose next frame cannot be read: with the close code of RFC 6455, section
/// 7.4.1, as long as there is a client to read it.
fn broken(error: &Error) -> Received {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            Received::Refused(Closing::TOO_LARGE)
        }
        Error::Utf8(_) => Received::Refused(Closing::INVALID_TEXT),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Received::Closed(Closing::ABNORMAL)
        }
        Error::Protocol(_) => Received::Refused(Closing::PROTOCOL),
        _ => Received::Closed(Closing::ABNORMAL),
    }
}

/// Returns when nothing was sent either way for that long.
async fn idle(limit: Duration, connection: &Connection) {
    loop {
        let (_, last) = *connection.active();
        if last.elapsed() >= limit {
            return;
        }
        tokio::time::sleep_until(last + limit).await;
    }
}
