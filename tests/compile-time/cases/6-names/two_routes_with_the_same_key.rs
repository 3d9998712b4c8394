//! Route keys must be unique.

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
        Subscribe = "subscribe",
        /// Stop watching a job.
        Unsubscribe = "unsubscribe",
        /// Cancel a job.
        CancelJob = "cancel_job",
        /// Ask for a job's snapshot.
        RequestStatus = "request_status",
        /// A sign of life.
        Ping = "ping",
        /// Watch a job, too.
        Watch = "subscribe",
    }
}

fn main() {}
