//! A watch on a job: a stream of its messages.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::Stream;
use http::Method;
use stagecast_contract::{http::EventsPage, messages::JobSnapshot};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use crate::{
    access::Access,
    error::Error,
    http::HttpClient,
    message::JobMessage,
    protocol::{Action, ConnectionId, WatchSettings, Watcher},
    websocket::WebSocket,
};

/// The messages of a job, as a [`Stream`] that ends with the job: each durable message once and in order, and
/// progress that never goes back within an attempt at a stage.
///
/// A watch reconnects by itself, and changes to HTTP where WebSockets are blocked. It fails only if the service
/// rejects it. Of unread progress it keeps the latest, so that a slow reader does not fall behind. Dropping it ends
/// the watch, and the job goes on.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared(Mutex<Inbox>);

#[derive(Debug, Default)]
struct Inbox {
    unread: VecDeque<JobMessage>,
    snapshot: Option<JobSnapshot>,
    has_ended: bool,
    /// Why the watch has failed, until it is read.
    error: Option<Error>,
    waker: Option<Waker>,
}

/// What the tasks of a watch report.
enum Input {
    Opened(ConnectionId),
    Closed(ConnectionId),
    Received(ConnectionId, String),
    Token(ConnectionId, Result<String, Error>),
    Polled(Box<Result<EventsPage, Error>>),
}

impl Watch {
    /// Starts the watch, on the current tokio runtime.
    pub(crate) fn start(
        http: HttpClient,
        url: Option<String>,
        settings: WatchSettings,
        access: Access,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let driver = Driver::new(http, url, settings, access, Arc::clone(&shared));
        let task = tokio::spawn(driver.drive()).abort_handle();
        Self { shared, task }
    }

    /// The next message; none after the last one.
    ///
    /// # Errors
    ///
    /// The service rejects the watch, for example because the access key is wrong. The watch is over.
    pub async fn next(&mut self) -> Option<Result<JobMessage, Error>> {
        std::future::poll_fn(|context| self.poll_message(context)).await
    }

    /// The last known state of the job, which includes what is no message: that it waits, and the files of the
    /// running stage. None before the first response.
    pub fn snapshot(&self) -> Option<JobSnapshot> {
        self.shared.lock().snapshot.clone()
    }

    fn poll_message(&self, context: &mut Context<'_>) -> Poll<Option<Result<JobMessage, Error>>> {
        let mut inbox = self.shared.lock();
        if let Some(message) = inbox.unread.pop_front() {
            return Poll::Ready(Some(Ok(message)));
        }
        if inbox.has_ended {
            // An error is returned once.
            return Poll::Ready(inbox.error.take().map(Err));
        }
        inbox.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Stream for Watch {
    type Item = Result<JobMessage, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_message(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        let mut inbox = self.lock();
        change(&mut inbox);
        if let Some(waker) = inbox.waker.take() {
            waker.wake();
        }
    }

    fn push(&self, message: JobMessage) {
        self.change(|inbox| {
            let is_replaced =
                !message.is_durable() && inbox.unread.back().is_some_and(|it| !it.is_durable());
            if is_replaced {
                inbox.unread.pop_back();
            }
            inbox.unread.push_back(message);
        });
    }
}

/// Does what the state machine asks for.
struct Driver {
    http: HttpClient,
    url: Option<String>,
    settings: WatchSettings,
    access: Access,
    shared: Arc<Shared>,
    started: Instant,
    /// Aborted when the driver is dropped.
    tasks: JoinSet<()>,
    connections: HashMap<ConnectionId, UnboundedSender<String>>,
    poll: Option<AbortHandle>,
    inputs: UnboundedSender<Input>,
    reports: UnboundedReceiver<Input>,
}

impl Driver {
    fn new(
        http: HttpClient,
        url: Option<String>,
        settings: WatchSettings,
        access: Access,
        shared: Arc<Shared>,
    ) -> Self {
        let (inputs, reports) = mpsc::unbounded_channel();
        Self {
            http,
            url,
            settings,
            access,
            shared,
            started: Instant::now(),
            tasks: JoinSet::new(),
            connections: HashMap::new(),
            poll: None,
            inputs,
            reports,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    async fn drive(mut self) {
        let mut watcher = Watcher::start(self.settings.clone(), self.now());
        loop {
            while let Some(action) = watcher.next_action() {
                if let Some(result) = self.act(action) {
                    self.shared.change(|inbox| {
                        inbox.has_ended = true;
                        inbox.error = result.err();
                    });
                    return;
                }
            }
            let tick = watcher.next_tick().map(|at| self.started + at);
            let tick = async {
                match tick {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                input = self.reports.recv() => match input {
                    Some(Input::Opened(id)) => watcher.opened(self.now(), id),
                    Some(Input::Closed(id)) => {
                        self.connections.remove(&id);
                        watcher.closed(self.now(), id);
                    }
                    Some(Input::Received(id, text)) => watcher.received(self.now(), id, &text),
                    Some(Input::Token(id, token)) => watcher.authorized(self.now(), id, token),
                    Some(Input::Polled(answer)) => match *answer {
                        Ok(page) => watcher.polled(self.now(), page),
                        Err(error) => watcher.poll_failed(self.now(), error),
                    },
                    None => return,
                },
                () = tick => watcher.tick(self.now()),
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Returns the result of the watch at its end.
    fn act(&mut self, action: Action) -> Option<Result<(), Error>> {
        match action {
            Action::Connect(id) => self.connect(id),
            Action::Send(id, frame) => {
                if let Some(connection) = self.connections.get(&id) {
                    // The connection reports that it is closed.
                    let _ = connection.send(frame);
                }
            }
            // Its task ends when the channel is closed.
            Action::Close(id) => drop(self.connections.remove(&id)),
            Action::Authorize(id) => self.authorize(id),
            Action::Poll { after_seq } => self.poll(after_seq),
            Action::AbortPoll => {
                if let Some(poll) = self.poll.take() {
                    poll.abort();
                }
            }
            Action::Snapshot(snapshot) => {
                self.shared.change(|inbox| inbox.snapshot = Some(*snapshot));
            }
            Action::Deliver(message) => self.shared.push(*message),
            Action::Warn(error) => {
                let job_id = self.settings.job_id.as_str();
                tracing::warn!(job_id, %error, "the watch continues after an error");
            }
            Action::End(result) => return Some(result),
        }
        None
    }

    fn connect(&mut self, id: ConnectionId) {
        let (frames, outgoing) = mpsc::unbounded_channel();
        self.connections.insert(id, frames);
        let (http, url, inputs) = (self.http.clone(), self.url.clone(), self.inputs.clone());
        self.tasks.spawn(async move {
            if let Some(url) = url {
                run_connection(&http, &url, id, outgoing, &inputs).await;
            }
            // The driver is gone if nothing receives this.
            let _ = inputs.send(Input::Closed(id));
        });
    }

    fn authorize(&mut self, id: ConnectionId) {
        // Only a watch by tokens asks for one.
        let Access::Tokens { tokens, .. } = self.access.clone() else {
            return;
        };
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            let _ = inputs.send(Input::Token(id, tokens.get().await));
        });
    }

    fn poll(&mut self, after_seq: u64) {
        let (http, access, inputs) = (self.http.clone(), self.access.clone(), self.inputs.clone());
        let path = format!("/events?after_seq={after_seq}");
        let task = self.tasks.spawn(async move {
            let page = async {
                let request = access.request(Method::GET, &path).await?;
                http.send(request).await?.json()
            };
            let _ = inputs.send(Input::Polled(Box::new(page.await)));
        });
        self.poll = Some(task);
    }
}

/// Exchanges frames until the connection is closed by one side.
async fn run_connection(
    http: &HttpClient,
    url: &str,
    id: ConnectionId,
    mut outgoing: UnboundedReceiver<String>,
    inputs: &UnboundedSender<Input>,
) {
    // The channel is closed while the connection is opened, if the watch gives it up.
    let opened = tokio::select! {
        opened = WebSocket::connect(http, url) => opened,
        _ = outgoing.recv() => return,
    };
    let mut socket = match opened {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%error, "a connection of a watch could not be opened");
            return;
        }
    };
    let _ = inputs.send(Input::Opened(id));
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => {
                    if socket.send(frame).await.is_err() {
                        return;
                    }
                }
                None => return socket.close().await,
            },
            text = socket.next() => match text {
                Some(text) => {
                    let _ = inputs.send(Input::Received(id, text));
                }
                None => return,
            },
        }
    }
}
