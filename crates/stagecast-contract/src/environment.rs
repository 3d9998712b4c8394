//! The settings of the functions: values that infra-gen writes into a function's environment, from the
//! configuration of the environment or from the stack.

use typed_contract::settings;

settings! {
    /// The URL that clients connect to, `wss://...`.
    WebSocketUrl = "WEBSOCKET_URL",
    /// Maximum number of subscriptions per connection.
    MaxSubscriptions = "MAX_SUBSCRIPTIONS",
    /// Allowed `Origin`s of browsers, separated by commas; empty to allow any.
    AllowedOrigins = "ALLOWED_ORIGINS",
}
