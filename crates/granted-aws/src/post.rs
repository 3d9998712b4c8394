//! Posts to connections, and why they fail.

use std::{future::Future, time::Duration};

use bytes::Bytes;

/// Longest time for one post. A post that takes longer fails with [`PostError::TimedOut`].
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Posts messages to connections.
pub trait Post: Send + Sync {
    /// Posts one message, without retries.
    fn post(
        &self,
        connection_id: &str,
        message: Bytes,
    ) -> impl Future<Output = Result<(), PostError>> + Send;
}

/// Why a post failed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PostError {
    /// The connection has ended or never existed: 410, or 400 'Invalid connectionId'.
    #[error("the connection is gone")]
    Gone,
    /// The account's rate is exceeded, or the client's buffer is full: 429.
    #[error("the connection, or the account, is throttled (429)")]
    Throttled,
    /// The message has more than 128 KB: 413.
    #[error("the message is larger than API Gateway allows (413)")]
    TooLarge,
    /// The function's role does not allow posts: 403.
    #[error(
        "posting is forbidden (403): check that the function's role allows \
         execute-api:ManageConnections on this API and stage, and that WEBSOCKET_ENDPOINT ends \
         with the stage unless it is a custom domain"
    )]
    Forbidden,
    /// API Gateway did not respond in time. It may have accepted the message: the client may be slow.
    #[error("API Gateway did not respond in time: {0}")]
    TimedOut(String),
    /// Another failure that a retry may fix: a 5xx, or no network connection.
    #[error("{0}")]
    Transient(String),
}

impl PostError {
    /// What a response means for the message; `None` is a success, or a failure that only its text explains.
    pub(crate) fn of_response(status: u16, body: &[u8]) -> Option<Self> {
        match status {
            410 => Some(Self::Gone),
            // API Gateway's model does not have this error.
            400 if String::from_utf8_lossy(body).contains("connectionId") => Some(Self::Gone),
            429 => Some(Self::Throttled),
            413 => Some(Self::TooLarge),
            403 => Some(Self::Forbidden),
            _ => None,
        }
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled | Self::TimedOut(_) | Self::Transient(_)
        )
    }
}
