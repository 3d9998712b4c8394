//! A WebSocket connection: identity, outbound queue and closing.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
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

use crate::{clock::Timestamp, http_util::header_text, ids, sync::Mutex};

/// Timeout for a client's response to a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: String,
    pub(super) connected_at: Timestamp,
    pub(super) domain: String,
    pub(super) source_ip: String,
    pub(super) user_agent: String,
    outbound: mpsc::UnboundedSender<Outbound>,
    /// The receiving end of `outbound`, until `serve` takes it.
    outbound_receiver: Mutex<Option<mpsc::UnboundedReceiver<Outbound>>>,
    queued_bytes: AtomicUsize,
    active: Mutex<(Timestamp, Instant)>,
    delete: Notify,
    /// The context from the authorizer.
    authorizer: OnceLock<Map<String, Value>>,
}

/// The client's outbound queue is full.
#[derive(Debug)]
pub(super) struct BufferFull;

/// The close code and reason, as in the `$disconnect` event.
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

    /// The connection ended without a close frame.
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
        let (outbound, outbound_receiver) = mpsc::unbounded_channel();
        Self {
            id: ids::connection_id(),
            connected_at: Timestamp::now(),
            domain: header_text(request.headers(), header::HOST).to_owned(),
            source_ip: peer.ip().to_string(),
            user_agent: header_text(request.headers(), header::USER_AGENT).to_owned(),
            outbound,
            outbound_receiver: Mutex::new(Some(outbound_receiver)),
            queued_bytes: AtomicUsize::new(0),
            active: Mutex::new((Timestamp::now(), Instant::now())),
            delete: Notify::new(),
            authorizer: OnceLock::new(),
        }
    }

    /// Stores the context from the authorizer, once.
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
        // Fails only while the connection closes. API Gateway, too, accepts such messages.
        let _ = self.outbound.send(Outbound::Text(text));
        Ok(())
    }

    /// Sends API Gateway's own error message for a client message.
    pub(super) fn notify(&self, message: &str, request_id: &str) {
        let body = json!({
            "message": message,
            "connectionId": self.id,
            "requestId": request_id,
        });
        // Lost only if the client's queue is full.
        let _ = self.send(body.to_string(), usize::MAX / 2);
    }

    /// Closes the connection, as `DELETE` of `@connections` does.
    pub(super) fn delete(&self) {
        self.delete.notify_one();
    }

    /// Queues a close frame after the queued messages.
    fn close(&self, closing: &Closing) {
        let frame = CloseFrame {
            code: CloseCode::from(closing.status),
            reason: closing.reason.as_ref().into(),
        };
        // Fails only if the writer has ended.
        let _ = self.outbound.send(Outbound::Close(frame));
    }

    pub(super) fn last_active(&self) -> Timestamp {
        self.active.lock().0
    }

    fn touch(&self) {
        *self.active.lock() = (Timestamp::now(), Instant::now());
    }

    fn take_outbound(&self) -> Option<mpsc::UnboundedReceiver<Outbound>> {
        let mut outbound_receiver = self.outbound_receiver.lock();
        outbound_receiver.take()
    }
}

/// A queued frame for a client.
#[derive(Debug)]
enum Outbound {
    Text(String),
    Close(CloseFrame),
}

/// The API that a connection belongs to.
pub(super) trait Api: Send + Sync + 'static {
    /// The time without a message after which a connection is closed.
    fn idle_limit(&self) -> Duration;

    /// The time after which a connection is closed.
    fn lifetime_limit(&self) -> Duration;

    /// Removes a connection that ends: posts to it are answered with 410 from now on.
    fn forget(&self, connection: &Connection);

    /// Returns when the stack shuts down.
    fn wait_for_shutdown(&self) -> impl Future<Output = ()> + Send;

    /// Serves a message of a client.
    fn message(
        self: Arc<Self>,
        connection: Arc<Connection>,
        body: String,
    ) -> impl Future<Output = ()> + Send;
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    api: &Arc<impl Api>,
    connection: &Arc<Connection>,
    socket: HyperWebsocketStream,
) -> Closing {
    let Some(outbound_receiver) = connection.take_outbound() else {
        return Closing::ABNORMAL;
    };
    let (mut sink, mut source) = socket.split();
    let write = write(connection, outbound_receiver, &mut sink);
    tokio::pin!(write);
    let closing = tokio::select! {
        () = &mut write => return Closing::ABNORMAL,
        closing = receive(api, connection, &mut source) => match closing {
            CloseInitiator::Client(closing) => return closing,
            CloseInitiator::Server(closing) => closing,
        },
        () = connection.delete.notified() => Closing::DELETED,
        () = idle(api.idle_limit(), connection) => Closing::GOING_AWAY,
        () = tokio::time::sleep(api.lifetime_limit()) => Closing::GOING_AWAY,
        () = api.wait_for_shutdown() => Closing::GOING_AWAY,
    };
    api.forget(connection);
    connection.close(&closing);
    let close = async {
        write.await;
        while let Some(Ok(_)) = source.next().await {}
    };
    // Close even if the client does not respond.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, close).await;
    closing
}

/// Sends the queued frames until the queue or the connection closes.
async fn write(
    connection: &Connection,
    mut outbound_receiver: mpsc::UnboundedReceiver<Outbound>,
    sink: &mut (impl Sink<Message, Error = Error> + Unpin),
) {
    while let Some(outbound) = outbound_receiver.recv().await {
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

/// Which side closes a connection.
/// Which side closes a connection.
enum CloseInitiator {
    /// The client closed it, or the connection broke.
    Client(Closing),
    /// The stack closes it because of an invalid frame.
    Server(Closing),
}

async fn receive(
    api: &Arc<impl Api>,
    connection: &Arc<Connection>,
    source: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
) -> CloseInitiator {
    loop {
        match source.next().await {
            Some(Ok(Message::Text(text))) => {
                connection.touch();
                let message = Arc::clone(api).message(Arc::clone(connection), text.to_string());
                tokio::spawn(message);
            }
            Some(Ok(Message::Binary(_))) => return CloseInitiator::Server(Closing::BINARY),
            Some(Ok(Message::Close(frame))) => {
                let closing = frame.map_or(Closing::NO_STATUS, |frame| Closing {
                    status: frame.code.into(),
                    reason: frame.reason.to_string().into(),
                });
                api.forget(connection);
                // The next read sends the echo of the close frame.
                while let Some(Ok(_)) = source.next().await {}
                return CloseInitiator::Client(closing);
            }
            // The WebSocket library responds to pings.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return close_after_error(&error),
            None => return CloseInitiator::Client(Closing::ABNORMAL),
        }
    }
}

/// How a connection closes after a read error. The close code is that of RFC 6455, section 7.4.1.
fn close_after_error(error: &Error) -> CloseInitiator {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            CloseInitiator::Server(Closing::TOO_LARGE)
        }
        Error::Utf8(_) => CloseInitiator::Server(Closing::INVALID_TEXT),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            CloseInitiator::Client(Closing::ABNORMAL)
        }
        Error::Protocol(_) => CloseInitiator::Server(Closing::PROTOCOL),
        _ => CloseInitiator::Client(Closing::ABNORMAL),
    }
}

/// Returns after `limit` without a message in either direction.
async fn idle(limit: Duration, connection: &Connection) {
    loop {
        let (_, last) = *connection.active.lock();
        if last.elapsed() >= limit {
            return;
        }
        tokio::time::sleep_until(last + limit).await;
    }
}
