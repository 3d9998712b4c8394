//! A message, as it is kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A message in a queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    /// The sender's message attributes, in the format of the protocol.
    pub(crate) attributes: Value,
    /// Milliseconds since 1970.
    pub(crate) sent: i64,
    pub(crate) first_received: Option<i64>,
    pub(crate) receives: u32,
}
