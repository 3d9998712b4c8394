//! Sending messages to connections: in order, bounded, retried, never in the way of the job.
//!
//! [`deliver`] sends one message to one connection, however long its [`RetryPolicy`](crate::retry::RetryPolicy) lasts. A
//! [`Sender`] does that for many connections at once, one message at a time each. A [`Publisher`]
//! writes a job's messages to the tables first and knows whom to send them to.

mod account_throttle;
mod attempt;
mod connection_maintainer;
mod deferred_fan_out;
mod known_audience;
mod mailbox;
mod publisher;
pub(crate) mod redelivery;
mod sender;
mod stats;
mod stores;
mod terminal_message;
mod write_priority;

pub use attempt::{Delivery, Destination, deliver};
pub use connection_maintainer::{ConnectionMaintainer, MaintainsConnections};
pub use mailbox::Outgoing;
pub use publisher::{LeaseStatus, PublishError, Publisher, Publishes, ReportOutcome};
pub use sender::{DeliveryObserver, Outcome, Sender, Unfinished};
pub use stores::Stores;
pub use terminal_message::{MessageHeader, terminal_message};
