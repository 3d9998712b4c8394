//! One post to one connection, and how it can end.

use std::future::Future;

use bytes::Bytes;

/// Posts messages to connections.
pub trait Post: Send + Sync {
    /// Posts one message, once.
    fn post(
        &self,
        connection_id: &str,
        message: Bytes,
    ) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// Why a post failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PostError {
    /// The connection has ended, or never was: 410, or 400 'Invalid connectionId'.
    #[error("the connection is gone")]
    Gone,
    /// Too many calls, or the client's buffer is full: 429.
    #[error("the connection, or the account, is throttled (429)")]
    Throttled,
    /// Over 128 KB: 413.
    #[error("the message is larger than API Gateway takes (413)")]
    TooLarge,
    /// The function may not post: 403.
    #[error(
        "posting is forbidden (403): check that the function's role allows \
         execute-api:ManageConnections on this API and stage, and that WEBSOCKET_ENDPOINT ends \
         with the stage unless it is a custom domain"
    )]
    Forbidden,
    /// No answer in time. The message may have been taken: the client may be slow to read.
    #[error("there was no answer in time: {0}")]
    TimedOut(String),
    /// Anything else that may be better next time: 5xx, no connection.
    #[error("{0}")]
    Transient(String),
}

impl PostError {
    /// Whether another attempt may do better.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::TimedOut(_) | Self::Transient(_)
        )
    }
}
