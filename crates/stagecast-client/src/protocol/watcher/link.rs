//! One WebSocket connection of a watch.

use std::{fmt, time::Duration};

/// API Gateway closes a connection after ten idle minutes.
const IDLE_PING_INTERVAL: Duration = Duration::from_mins(5);
/// A running job sends progress more often than this; a longer silence may mean that the connection is dead.
const SILENCE_BEFORE_PING: Duration = Duration::from_secs(45);
/// A connection without a reply within this time is treated as dead, even if it is not closed.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Identifies a connection of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(super) u64);

pub(super) struct Link {
    pub(super) id: ConnectionId,
    pub(super) is_subscribed: bool,
    /// The latest token of the connection.
    pub(super) token: Option<String>,
    /// The request whose reply proves that the connection works; none while the connection is opened.
    awaited: Option<String>,
    reply_by: Option<Duration>,
    ping_at: Option<Duration>,
}

/// Without the token.
impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Link")
            .field("id", &self.id)
            .field("is_subscribed", &self.is_subscribed)
            .field("awaited", &self.awaited)
            .finish_non_exhaustive()
    }
}

impl Link {
    /// A connection that is opened.
    pub(super) fn new(id: ConnectionId, now: Duration) -> Self {
        Self {
            id,
            is_subscribed: false,
            token: None,
            awaited: None,
            reply_by: Some(now + REPLY_TIMEOUT),
            ping_at: None,
        }
    }

    pub(super) fn next_tick(&self) -> Option<Duration> {
        match (self.reply_by, self.ping_at) {
            (Some(reply_by), _) => Some(reply_by),
            (None, ping_at) => ping_at,
        }
    }

    pub(super) fn is_dead(&self, now: Duration) -> bool {
        self.reply_by.is_some_and(|at| at <= now)
    }

    pub(super) fn is_awaiting(&self) -> bool {
        self.reply_by.is_some()
    }

    pub(super) fn needs_ping(&self, now: Duration) -> bool {
        self.reply_by.is_none() && self.ping_at.is_some_and(|at| at <= now)
    }

    pub(super) fn sent(&mut self, now: Duration, request_id: String, is_silent: bool) {
        self.awaited = Some(request_id);
        self.reply_by = Some(now + REPLY_TIMEOUT);
        self.restart_ping(now, is_silent);
    }

    pub(super) fn received(&mut self, request_id: Option<&str>) {
        if request_id.is_some() && request_id == self.awaited.as_deref() {
            self.awaited = None;
            self.reply_by = None;
        }
    }

    /// The connection is checked after this much silence, which is normal while the job is not running.
    pub(super) fn restart_ping(&mut self, now: Duration, is_silent: bool) {
        let delay = if is_silent {
            IDLE_PING_INTERVAL
        } else {
            SILENCE_BEFORE_PING
        };
        self.ping_at = Some(now + delay);
    }
}
