//! API Gateway reserves `$` in route keys.

use stagecast_contract::messages::ClientMessageType;

typed_contract::routes! {
    /// A route of the WebSocket API.
    pub enum Route for ClientMessageType {
        /// A client opens a connection.
        Connect = "$connect",
        /// A connection has ended.
        Disconnect = "$disconnect",
        /// Everything else.
        Default = "$default",
        /// Watch a job.
        Subscribe = "$subscribe",
    }
}

fn main() {}
