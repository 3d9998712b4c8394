//! Watches one job over a WebSocket, with HTTP as the fallback.

mod frame;
mod link;
mod poll;

use std::{collections::VecDeque, time::Duration};

use stagecast_contract::{
    http::EventsPage,
    ids::{AccessKey, JobId},
    messages::{JobSnapshot, JobStatus, ServerMessage},
    timestamp::Timestamp,
};

pub use self::link::ConnectionId;
use self::{frame::Frame, link::Link, poll::Poll};
use crate::{
    backoff::Backoff,
    error::{Error, Rejection},
    message::JobMessage,
    protocol::sequence::Sequence,
};

/// API Gateway closes a connection after two hours. It is replaced 100 to 110 minutes after its start; the
/// spread keeps clients from reconnecting together.
const RENEW_AFTER: Duration = Duration::from_mins(100);
const RENEW_SPREAD: Duration = Duration::from_mins(10);
/// A connection that lasted longer than this resets the backoff.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// Missing messages may still be in flight: they are requested after this delay, which doubles up to 16 times.
const GAP_TIMEOUT: Duration = Duration::from_millis(1500);
/// Every third request for missing messages goes over a new connection: the service replays each message only
/// once to a connection.
const REQUESTS_BEFORE_NEW_CONNECTION: u32 = 3;
/// Failed attempts to connect after which the watch polls over HTTP.
const ATTEMPTS_BEFORE_HTTP: u32 = 2;
/// Time without an open or rejected connection after which the watch polls over HTTP.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Codes of errors that end the watch, because a repeated request would get the same.
const PERMANENT: [&str; 4] = [
    "forbidden",
    "job_not_found",
    "invalid_job_id",
    "invalid_message",
];

/// The part of the life of a token, in percent, after which a connection gets another one.
const TOKEN_RENEWAL_PERCENT: u32 = 80;
/// Shortest time between two tokens of a connection.
const TOKEN_RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// Codes of errors about the token.
const ABOUT_TOKEN: [&str; 4] = [
    "invalid_token",
    "token_forbidden",
    "token_expired",
    "token_required",
];
/// Reasons of `invalid_token` that the next token may not have: it came from a cache, or the service does not have its
/// key yet.
const TEMPORARY_REASONS: [&str; 3] = ["expired", "not_yet_valid", "unknown_key"];

/// What authorizes a watch.
#[derive(Clone, Debug)]
pub enum WatchAccess {
    /// The access key of the job.
    Key(AccessKey),
    /// Owner tokens: one for each connection, and another one before it expires.
    Tokens {
        /// Whether there is another token than the first one.
        is_renewable: bool,
    },
}

/// What a watch is about.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// The job.
    pub job_id: JobId,
    /// Authorizes the watch.
    pub access: WatchAccess,
    /// The `seq` of the last durable message that is known; 0 if none is.
    pub after_seq: u64,
    /// Whether a WebSocket can be tried. Without it, the watch polls over HTTP.
    pub has_websocket: bool,
    /// Determines the random delays.
    pub seed: u64,
}

/// What the driver of a watch has to do next.
#[derive(Debug)]
pub enum Action {
    /// Open a WebSocket connection. Then call [`Watcher::opened`], or [`Watcher::closed`].
    Connect(ConnectionId),
    /// Send a frame over a connection.
    Send(ConnectionId, String),
    /// Get a token for a connection. Then call [`Watcher::authorized`].
    Authorize(ConnectionId),
    /// Close a connection. Nothing more is reported of it.
    Close(ConnectionId),
    /// Request the events after this `seq` over HTTP. Then call [`Watcher::polled`] or
    /// [`Watcher::poll_failed`].
    Poll {
        /// The `after_seq` of the request.
        after_seq: u64,
    },
    /// Abandon the pending request over HTTP.
    AbortPoll,
    /// The state of the job is known.
    Snapshot(Box<JobSnapshot>),
    /// The next message of the job.
    Deliver(Box<JobMessage>),
    /// The watch goes on after this error.
    Warn(Error),
    /// The watch is over: the job has ended, or the service rejects the watch.
    End(Result<(), Error>),
}

/// The state of a watch. The driver calls the methods as things happen, calls [`tick`](Self::tick) at
/// [`next_tick`](Self::next_tick), and takes the actions with [`next_action`](Self::next_action) after each call.
#[derive(Debug)]
pub struct Watcher {
    settings: WatchSettings,
    random: fastrand::Rng,
    sequence: Sequence,
    /// The last known status of the job.
    status: JobStatus,
    /// The connection that is subscribed.
    live: Option<Link>,
    /// The connection that is opened, or waits for its subscription.
    opening: Option<Link>,
    connections: u64,
    requests: u64,
    failures: u32,
    live_since: Duration,
    retry_at: Option<Duration>,
    renew_at: Option<Duration>,
    /// When the live connection needs another token.
    token_at: Option<Duration>,
    /// When the watch starts to poll, unless a connection is subscribed before.
    http_at: Option<Duration>,
    gap_at: Option<Duration>,
    gap_requests: u32,
    /// The end of the service's rate limit on replays.
    limited_until: Duration,
    poll: Option<Poll>,
    is_over: bool,
    actions: VecDeque<Action>,
}

impl Watcher {
    /// Starts a watch.
    pub fn start(settings: WatchSettings, now: Duration) -> Self {
        let mut watcher = Self {
            random: fastrand::Rng::with_seed(settings.seed),
            sequence: Sequence::after(settings.after_seq),
            settings,
            status: JobStatus::Queued,
            live: None,
            opening: None,
            connections: 0,
            requests: 0,
            failures: 0,
            live_since: now,
            retry_at: None,
            renew_at: None,
            token_at: None,
            http_at: None,
            gap_at: None,
            gap_requests: 0,
            limited_until: now,
            poll: None,
            is_over: false,
            actions: VecDeque::new(),
        };
        if watcher.settings.has_websocket {
            watcher.connect(now);
        } else {
            watcher.start_polling(now);
        }
        watcher
    }

    /// The next action; none before the next call of another method.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::tick`] has to be called, at the latest.
    pub fn next_tick(&self) -> Option<Duration> {
        if self.is_over {
            return None;
        }
        let links = [&self.live, &self.opening];
        let of_links = links.into_iter().flatten().filter_map(Link::next_tick);
        let times = [
            self.retry_at,
            self.renew_at,
            self.token_at,
            self.http_at,
            self.gap_at,
            self.poll.as_ref().map(Poll::next_tick),
        ];
        of_links.chain(times.into_iter().flatten()).min()
    }

    /// The `seq` of the last durable message that was delivered.
    pub fn seq(&self) -> u64 {
        self.sequence.seq()
    }

    /// A connection is open.
    pub fn opened(&mut self, now: Duration, id: ConnectionId) {
        if self.opening.as_ref().is_none_or(|link| link.id != id) {
            return;
        }
        match self.settings.access {
            WatchAccess::Key(_) => self.subscribe(now, id),
            WatchAccess::Tokens { .. } => self.actions.push_back(Action::Authorize(id)),
        }
    }

    /// There is a token for the connection, or the program has none for now.
    pub fn authorized(&mut self, now: Duration, id: ConnectionId, token: Result<String, Error>) {
        let Some(link) = self.link(id) else {
            return;
        };
        let is_subscribed = link.is_subscribed;
        match token {
            Ok(token) => {
                link.token = Some(token);
                if is_subscribed {
                    self.authenticate(now, id);
                } else {
                    self.subscribe(now, id);
                }
            }
            Err(error) => {
                self.actions.push_back(Action::Warn(error));
                if is_subscribed {
                    self.token_at = Some(now + TOKEN_RETRY_INTERVAL);
                } else {
                    self.actions.push_back(Action::Close(id));
                    self.lost(now, id, Duration::ZERO);
                }
            }
        }
    }

    /// A connection could not be opened, or was closed by the other side.
    pub fn closed(&mut self, now: Duration, id: ConnectionId) {
        if !self.is_over {
            self.lost(now, id, Duration::ZERO);
        }
    }

    /// A text frame was received.
    pub fn received(&mut self, now: Duration, id: ConnectionId, text: &str) {
        if self.is_over || self.link(id).is_none() {
            return;
        }
        let frame = Frame::parse(text);
        if let Some(link) = self.link(id) {
            link.received(frame.request_id());
        }
        match frame {
            Frame::Unknown => {}
            Frame::Gateway(rejection) => {
                self.actions.push_back(Action::Warn(rejection.into()));
                // The frame has no `request_id`, so it may be the response to the awaited request.
                if self.link(id).is_some_and(|link| link.is_awaiting()) {
                    self.actions.push_back(Action::Close(id));
                    self.lost(now, id, Duration::ZERO);
                }
            }
            Frame::Rejected(rejection) => self.rejected(now, id, rejection),
            Frame::Message(message) => self.message(now, id, *message),
        }
        let is_silent = self.status != JobStatus::Running;
        if let Some(link) = self.link(id) {
            link.restart_ping(now, is_silent);
        }
    }

    /// A response to [`Action::Poll`] was received.
    pub fn polled(&mut self, now: Duration, page: EventsPage) {
        let Some(poll) = self.poll.as_mut().filter(|_| !self.is_over) else {
            return;
        };
        let mut events = Vec::new();
        for event in &page.events {
            let message = serde_json::from_str::<ServerMessage>(event.get());
            // A message of a later version of the service is no message of this client.
            events.extend(message.ok().and_then(JobMessage::from_server));
        }
        let before = self.sequence.seq();
        poll.answered();
        let EventsPage {
            snapshot,
            recovered,
            more,
            retry_after,
            ..
        } = page;
        // Without `more`, the events lead to the snapshot, which contains the progress beyond them.
        self.deliver(events, now);
        self.snapshot(now, snapshot, recovered);
        let has_advanced = self.sequence.seq() > before;
        let jitter = self.random.f64();
        if let Some(poll) = &mut self.poll {
            poll.schedule(now, more && has_advanced, retry_after, jitter);
        }
    }

    /// The request of [`Action::Poll`] has failed.
    pub fn poll_failed(&mut self, now: Duration, error: Error) {
        let Some(poll) = self.poll.as_mut().filter(|_| !self.is_over) else {
            return;
        };
        poll.failed(now, self.random.f64());
        let is_permanent = error.rejection().is_some_and(|it| self.is_permanent(it));
        // An older service has no such route.
        let has_no_route = error.status() == Some(404) && !self.settings.has_websocket;
        if is_permanent || has_no_route {
            self.end(Err(error));
        } else {
            self.actions.push_back(Action::Warn(error));
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) {
        if self.is_over {
            return;
        }
        let is_due = |at: &mut Option<Duration>| at.take_if(|at| *at <= now).is_some();
        let links = [&self.live, &self.opening];
        let dead = links.into_iter().flatten().filter(|it| it.is_dead(now));
        for id in dead.map(|link| link.id).collect::<Vec<_>>() {
            self.actions.push_back(Action::Close(id));
            self.lost(now, id, Duration::ZERO);
        }
        if self.live.as_ref().is_some_and(|link| link.needs_ping(now)) {
            self.ping(now);
        }
        if is_due(&mut self.retry_at) && self.opening.is_none() {
            self.connect(now);
        }
        if is_due(&mut self.renew_at) && self.opening.is_none() {
            self.connect(now);
        }
        if is_due(&mut self.token_at)
            && let Some(link) = &self.live
        {
            self.actions.push_back(Action::Authorize(link.id));
        }
        if is_due(&mut self.http_at) {
            self.start_polling(now);
        }
        if is_due(&mut self.gap_at) {
            self.request_missing(now);
        }
        let after_seq = self.sequence.seq();
        if let Some(poll) = self.poll.as_mut().filter(|poll| poll.is_due(now)) {
            poll.sent(now);
            self.actions.push_back(Action::AbortPoll);
            self.actions.push_back(Action::Poll { after_seq });
        }
    }

    fn link(&mut self, id: ConnectionId) -> Option<&mut Link> {
        let links = [&mut self.live, &mut self.opening];
        links.into_iter().flatten().find(|link| link.id == id)
    }

    fn connect(&mut self, now: Duration) {
        self.retry_at = None;
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.opening = Some(Link::new(id, now));
        if self.live.is_none() && self.poll.is_none() && self.http_at.is_none() {
            self.http_at = Some(now + CONNECT_TIMEOUT);
        }
        self.actions.push_back(Action::Connect(id));
    }

    fn request_id(&mut self) -> String {
        self.requests += 1;
        format!("client_{}", self.requests)
    }

    /// Subscribes to the job, or requests missing messages by subscribing again.
    fn subscribe(&mut self, now: Duration, id: ConnectionId) {
        let request_id = self.request_id();
        let mut frame = serde_json::json!({
            "type": "subscribe",
            "job_id": self.settings.job_id,
            "request_id": request_id,
        });
        match &self.settings.access {
            WatchAccess::Key(key) => frame["access_key"] = key.reveal().into(),
            WatchAccess::Tokens { .. } => {
                frame["token"] = self.link(id).and_then(|link| link.token.clone()).into();
            }
        }
        if self.sequence.seq() > 0 {
            frame["after_seq"] = self.sequence.seq().into();
        }
        self.send(now, id, request_id, &frame);
    }

    /// Extends the subscription by the token of the connection.
    fn authenticate(&mut self, now: Duration, id: ConnectionId) {
        let request_id = self.request_id();
        let token = self.link(id).and_then(|link| link.token.clone());
        let frame = serde_json::json!({
            "type": "authenticate",
            "token": token,
            "request_id": request_id,
        });
        self.send(now, id, request_id, &frame);
    }

    /// Schedules the next token, if the present one expires. Both times are those of the service's clock.
    fn schedule_token(&mut self, now: Duration, sent: Timestamp, expires_at: Option<Timestamp>) {
        let is_renewable = matches!(
            self.settings.access,
            WatchAccess::Tokens { is_renewable: true }
        );
        self.token_at = expires_at.filter(|_| is_renewable).map(|expires_at| {
            let seconds = expires_at.epoch_seconds() - sent.epoch_seconds();
            let life = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            let renewal = life.saturating_mul(TOKEN_RENEWAL_PERCENT) / 100;
            now + renewal.max(TOKEN_RETRY_INTERVAL)
        });
    }

    fn ping(&mut self, now: Duration) {
        let request_id = self.request_id();
        let frame = serde_json::json!({ "type": "ping", "request_id": request_id });
        if let Some(id) = self.live.as_ref().map(|link| link.id) {
            self.send(now, id, request_id, &frame);
        }
    }

    fn send(
        &mut self,
        now: Duration,
        id: ConnectionId,
        request_id: String,
        frame: &serde_json::Value,
    ) {
        let is_silent = self.status != JobStatus::Running;
        if let Some(link) = self.link(id) {
            link.sent(now, request_id, is_silent);
            self.actions.push_back(Action::Send(id, frame.to_string()));
        }
    }

    fn message(&mut self, now: Duration, id: ConnectionId, message: ServerMessage) {
        if let ServerMessage::Subscribed(subscribed) = message {
            if subscribed.job_id == self.settings.job_id {
                self.subscribed(now, id);
                if self.live.as_ref().is_some_and(|link| link.id == id) {
                    let (sent, expires_at) = (subscribed.timestamp, subscribed.token_expires_at);
                    self.schedule_token(now, sent, expires_at);
                }
                self.snapshot(now, subscribed.status, subscribed.recovered);
            }
            return;
        }
        if let ServerMessage::Authenticated(reply) = message {
            self.schedule_token(now, reply.timestamp, Some(reply.token_expires_at));
            if reply.subscriptions == 0 {
                self.subscribe(now, id);
            }
            return;
        }
        // During a renewal, both connections deliver; the sequence removes the duplicates.
        let message = JobMessage::from_server(message);
        let is_of_job = |it: &JobMessage| it.job_id() == self.settings.job_id.as_str();
        if let Some(message) = message.filter(is_of_job) {
            if let JobMessage::Progress(_) = message {
                self.status = JobStatus::Running;
            }
            let released = self.sequence.accept(message);
            self.release(released, now);
        }
    }

    fn subscribed(&mut self, now: Duration, id: ConnectionId) {
        if let Some(link) = self.link(id) {
            link.is_subscribed = true;
        }
        let Some(link) = self.opening.take_if(|link| link.id == id) else {
            return;
        };
        // The previous connection is closed only now: the replayed log contains what it has not delivered.
        if let Some(previous) = self.live.replace(link) {
            self.actions.push_back(Action::Close(previous.id));
        }
        self.live_since = now;
        self.http_at = None;
        if self.poll.take().is_some() {
            self.actions.push_back(Action::AbortPoll);
        }
        self.renew_at = Some(now + RENEW_AFTER + RENEW_SPREAD.mul_f64(self.random.f64()));
    }

    fn rejected(&mut self, now: Duration, id: ConnectionId, rejection: Rejection) {
        let code = rejection.code.clone().unwrap_or_default();
        let is_renewable = matches!(
            self.settings.access,
            WatchAccess::Tokens { is_renewable: true }
        );
        if code == "token_expired" && is_renewable {
            // The subscription has ended. The log has what the service sends from here on.
            if let Some(link) = self.link(id) {
                link.is_subscribed = false;
            }
            self.actions.push_back(Action::Authorize(id));
            return;
        }
        if self.is_permanent(&rejection) {
            self.end(Err(rejection.into()));
            return;
        }
        let wait = rejection.retry_after.unwrap_or_default();
        let is_limit = code == "replay_limited";
        if is_limit {
            self.limited_until = now + wait;
        }
        self.actions.push_back(Action::Warn(rejection.into()));
        if self.opening.as_ref().is_some_and(|link| link.id == id) {
            // The subscription failed: another connection retries it.
            self.actions.push_back(Action::Close(id));
            self.lost(now, id, wait);
        } else if matches!(&*code, "invalid_token" | "token_keys_unavailable") {
            // The subscription lasts as long as its earlier token.
            self.token_at = Some(now + wait.max(TOKEN_RETRY_INTERVAL));
        } else if is_limit {
            // Requests the missing messages again after the rate limit.
            self.gap_at = None;
            self.watch_gap(now);
        }
    }

    /// Whether a repeated request gets the same error.
    fn is_permanent(&self, rejection: &Rejection) -> bool {
        let code = rejection.code.as_deref().unwrap_or_default();
        let reason = rejection.details.get("reason").and_then(|it| it.as_str());
        if code == "invalid_token" && reason.is_some_and(|it| TEMPORARY_REASONS.contains(&it)) {
            return matches!(
                self.settings.access,
                WatchAccess::Tokens {
                    is_renewable: false
                }
            );
        }
        PERMANENT.contains(&code) || ABOUT_TOKEN.contains(&code)
    }

    fn lost(&mut self, now: Duration, id: ConnectionId, wait: Duration) {
        if self.live.take_if(|link| link.id == id).is_some() {
            self.renew_at = None;
            self.token_at = None;
            if now.saturating_sub(self.live_since) > STABLE_AFTER {
                self.failures = 0;
            }
            // A renewal may be in progress.
            if self.opening.is_none() {
                self.retry(now, wait);
            }
        } else if self.opening.take_if(|link| link.id == id).is_some() {
            self.retry(now, wait);
        }
    }

    /// Schedules the next attempt to connect, `wait` from now at the earliest.
    fn retry(&mut self, now: Duration, wait: Duration) {
        self.failures += 1;
        let backoff = Backoff::RECONNECT.wait(self.failures, self.random.f64());
        self.retry_at = Some(now + wait.max(backoff));
        if self.failures >= ATTEMPTS_BEFORE_HTTP && self.live.is_none() {
            self.start_polling(now);
        }
    }

    fn start_polling(&mut self, now: Duration) {
        if self.poll.is_some() || self.live.is_some() || self.is_over {
            return;
        }
        self.http_at = None;
        let mut poll = Poll::new(now);
        poll.sent(now);
        self.poll = Some(poll);
        let after_seq = self.sequence.seq();
        self.actions.push_back(Action::Poll { after_seq });
    }

    /// The durable messages up to the snapshot follow if they are `recovered`.
    fn snapshot(&mut self, now: Duration, snapshot: JobSnapshot, recovered: bool) {
        if self.is_over {
            return;
        }
        self.status = snapshot.status;
        self.actions
            .push_back(Action::Snapshot(Box::new(snapshot.clone())));
        let released = self.sequence.accept_snapshot(snapshot, recovered);
        self.release(released, now);
    }

    fn deliver(&mut self, messages: Vec<JobMessage>, now: Duration) {
        for message in messages {
            let released = self.sequence.accept(message);
            self.release(released, now);
        }
    }

    fn release(&mut self, messages: Vec<JobMessage>, now: Duration) {
        for message in messages {
            self.actions.push_back(Action::Deliver(Box::new(message)));
        }
        if self.sequence.has_ended() {
            self.end(Ok(()));
        } else {
            self.watch_gap(now);
        }
    }

    fn watch_gap(&mut self, now: Duration) {
        if !self.sequence.has_gap() {
            self.gap_at = None;
            self.gap_requests = 0;
            return;
        }
        if self.gap_at.is_none() {
            let delay = GAP_TIMEOUT * 2_u32.pow(self.gap_requests.min(4));
            self.gap_at = Some((now + delay).max(self.limited_until));
        }
    }

    fn request_missing(&mut self, now: Duration) {
        self.gap_requests += 1;
        if let Some(id) = self.live.as_ref().map(|link| link.id) {
            if self
                .gap_requests
                .is_multiple_of(REQUESTS_BEFORE_NEW_CONNECTION)
            {
                if self.opening.is_none() {
                    self.connect(now);
                }
            } else {
                self.subscribe(now, id);
            }
        }
        self.watch_gap(now);
    }

    fn end(&mut self, result: Result<(), Error>) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        for link in [self.live.take(), self.opening.take()]
            .into_iter()
            .flatten()
        {
            self.actions.push_back(Action::Close(link.id));
        }
        if self.poll.take().is_some() {
            self.actions.push_back(Action::AbortPoll);
        }
        self.actions.push_back(Action::End(result));
    }
}

#[cfg(test)]
mod tests;
