//! The addresses of a stack.

use serde::{Deserialize, Serialize};

/// The addresses of a stack, all on its port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Urls {
    /// The URL of the HTTP API, without a slash at the end.
    pub http_api: String,
    /// The URL of the WebSocket API with its stage.
    pub websocket: String,
    /// The URL of the AWS services, for `AWS_ENDPOINT_URL`.
    pub endpoint_url: String,
}
